"""Makes releases: Debian packages out of locked wheels, with what they contain on paper."""
