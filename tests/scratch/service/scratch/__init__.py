"""Notes of agencies."""
