"""How far a camera's numbers can be trusted: what moves, what the picture is like, what is overlooked."""
