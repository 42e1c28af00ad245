"""The gateway daemon: from the drivers' samples to the city's brokers."""
