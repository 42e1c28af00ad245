"""Device profiles against golden registers: ``<vendor>/<model>.toml`` here, raw words and expected values."""
