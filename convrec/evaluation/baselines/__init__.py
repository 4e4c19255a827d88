"""Baselines of the field, ranked under the same masks and ties as our own systems."""
