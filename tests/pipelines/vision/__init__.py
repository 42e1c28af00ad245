"""Tests of the vision process, from boxes to counts, and of how models come onto a gateway."""
