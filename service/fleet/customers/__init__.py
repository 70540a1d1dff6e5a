"""A single customer: its page, changes, archiving."""
