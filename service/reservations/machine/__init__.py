"""What becomes of a reservation: the one state machine."""
