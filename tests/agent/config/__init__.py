"""The configuration compiler."""
