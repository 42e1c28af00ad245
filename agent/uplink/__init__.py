"""The way to the city's brokers: one connection, one task and one back-off per recipient."""
