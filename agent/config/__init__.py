"""Reads TOML into a compiled plan, and explains everything that is wrong with it."""
