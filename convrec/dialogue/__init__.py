"""The conversation: understanding, state, evidence, reply."""
