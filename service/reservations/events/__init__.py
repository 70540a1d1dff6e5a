"""What can happen to a reservation, and what has to be done about it."""
