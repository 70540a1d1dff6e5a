"""The state machine of a reservation: what follows from an event in each state. Pure."""
