"""Being paid, and giving money back."""
