"""The machinery of Modbus: link, codec, read plan, poller."""
