"""Mirrors the product."""
