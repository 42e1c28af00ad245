"""What the tests do not reach, and why; ``make coverage`` measures it."""
