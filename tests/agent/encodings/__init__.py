"""How records become bytes."""
