"""Records, lines and tables in, typed columns out."""
