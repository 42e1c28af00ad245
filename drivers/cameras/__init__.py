"""The agent's side of the process that sees pixels: starts or reaches it, believes only what can be true."""
