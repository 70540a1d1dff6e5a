"""Partner shops, and the order in which the shops of a service are called."""
