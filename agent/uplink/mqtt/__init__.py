"""MQTT 5 and 3.1.1 as bytes: what we send, and a strict reader of what a broker sends. It does no I/O."""
