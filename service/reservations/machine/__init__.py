"""The state machine of a reservation."""
