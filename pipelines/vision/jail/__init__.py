"""The cage of the process that sees pixels: what it gives up, and the proof that it is gone."""
