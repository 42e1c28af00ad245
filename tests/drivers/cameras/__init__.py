"""The agent's side of the cameras."""
