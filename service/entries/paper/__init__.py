"""What of the entries area is printed."""
