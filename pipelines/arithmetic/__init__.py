"""Small arithmetic over points."""
