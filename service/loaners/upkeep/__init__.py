"""Care of the records: contradictions to act on, and what is old enough to be put away."""
