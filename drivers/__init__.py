"""One settings-only file per way to reach devices; folders hold the machinery."""
