"""Readers of live cameras."""
