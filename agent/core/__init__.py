"""The vocabulary that everything else speaks; it imports nothing else of ours."""
