"""A configuration from a distance: one signed file that is tried, and kept or taken back by itself."""
