"""What cameras say of themselves by ONVIF: asked gently, read as if it came from an enemy, never changed."""
