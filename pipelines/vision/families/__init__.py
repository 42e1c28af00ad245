"""How families of models want their pictures, and how what they answer becomes boxes."""
