"""BACnet/IP: the frames, the client that speaks them, and the reader of devices."""
