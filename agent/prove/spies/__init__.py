"""Servers on loopback in the place of devices: they provoke, and keep what was sent to them."""
