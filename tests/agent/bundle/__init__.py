"""Tests of configurations from a distance."""
