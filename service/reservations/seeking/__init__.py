"""Looking for a shop: calls and their answers."""
