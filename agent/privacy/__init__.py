"""Privacy modes: pure functions from an aggregate to what may be said of it."""
