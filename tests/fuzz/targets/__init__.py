"""What is fuzzed, a file for each corner of the product; ``tests/fuzz/catalogue.py`` lists all."""
