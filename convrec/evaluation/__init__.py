"""Judging what was built: metrics and protocols."""
