"""What consumers on the city's side have from us."""
