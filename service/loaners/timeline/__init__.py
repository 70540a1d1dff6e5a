"""What a device's page shows: what is known at a moment, everything that happened, and the mails about it."""
