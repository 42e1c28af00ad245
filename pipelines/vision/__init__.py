"""The vision process: the only one that sees pixels. From pictures to counts, and nothing else comes out."""
