"""Tests of the proofs: each planted breach is found."""
