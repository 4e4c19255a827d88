"""The durable memory: append-only events, and what they say of a user."""
