"""Shop search: calls to shops and their answers."""
