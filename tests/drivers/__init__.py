"""Drivers against real servers, and against misbehaving ones."""
