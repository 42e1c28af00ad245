"""What is promised, one file each: its docstring says what and how it is tried, its ``prove`` tries it."""
