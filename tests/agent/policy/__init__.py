"""Tests of the sharing policy's exports and of what enforces it."""
