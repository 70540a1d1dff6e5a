"""Partner shops, and the order in which those of a service are called."""
