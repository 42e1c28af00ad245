"""Rules are taken out one by one; for each, a test must turn red."""
