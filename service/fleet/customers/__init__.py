"""A customer as a whole: its page, its changes, its end."""
