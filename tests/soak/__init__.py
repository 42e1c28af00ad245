"""A small site at work for hours while things break at random, to see whether anything grows."""
