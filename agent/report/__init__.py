"""Pages for people who ask, made from a site's own configuration; no word that it does not bear out."""
