"""Candidate retrieval: what the catalogue and the ledger can offer before any LLM reads it."""
