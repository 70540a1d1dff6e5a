"""A terminal as a whole: its page, its changes, its tags, its end."""
