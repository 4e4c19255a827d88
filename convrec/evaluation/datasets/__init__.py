"""Data sets in their makers' own formats, read where the user has put them."""
