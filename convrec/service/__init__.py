"""Composition: the recommender, its construction, and its HTTP mouths."""
