"""The cage of the process that sees pixels."""
