"""Tests of how models are read, converted, made small, compared and put into bundles."""
