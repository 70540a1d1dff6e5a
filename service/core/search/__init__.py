"""探す: one question over everything that a user may see. Each area registers what it can find."""
