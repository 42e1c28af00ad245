"""Tests of the machinery for serial sensors."""
