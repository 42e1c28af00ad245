"""Looks over computer, files and gateway, and says of each thing how it stands and what to do."""
