"""What `citygate scan` can look for: one file per word; its fields are the command's options."""
