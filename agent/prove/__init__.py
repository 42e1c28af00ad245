"""Tries to break each promise on this very computer: each is a file in ``promises``."""
