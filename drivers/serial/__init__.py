"""Machinery for devices that talk by themselves on a serial line: ports, frames, and what they say."""
