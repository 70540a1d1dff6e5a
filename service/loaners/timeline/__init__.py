"""A device's page: its state at a point in time, all of its events, and the mails about it."""
