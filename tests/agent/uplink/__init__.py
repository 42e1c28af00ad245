"""The uplink against brokers, real and fake."""
