"""The parent's card: a personal link to a bar code."""
