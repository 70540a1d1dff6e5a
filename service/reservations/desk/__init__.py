"""What operators see of a reservation and do to it, over the flow."""
