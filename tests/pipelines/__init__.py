"""Tests of the pipeline steps, and of whole pipelines as data."""
