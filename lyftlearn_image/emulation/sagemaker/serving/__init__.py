"""A model in its container, and what invokes it."""
