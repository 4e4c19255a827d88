"""Fakes that pass the same conformance classes as the real thing, one module per Protocol."""
