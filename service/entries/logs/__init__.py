"""入退ログ: each scan once, with its own time."""
