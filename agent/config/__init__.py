"""From TOML files to a compiled plan, or to a report of everything that is wrong with them."""
