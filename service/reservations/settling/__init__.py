"""What became of the messages that a reservation sent out."""
