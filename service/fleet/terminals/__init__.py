"""A single terminal: its page, diagnosis, changes, tags, archiving."""
