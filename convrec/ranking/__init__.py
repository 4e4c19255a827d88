"""From candidates to a slate: the LLM's interest f(u, i), the blend with retrieval, the ranker."""
