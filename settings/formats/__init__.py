"""How values are shown where no template says: a module for each language."""
