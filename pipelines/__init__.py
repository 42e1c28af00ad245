"""One module per pipeline step; the file name is the step's name."""
