"""入退ログ: each scan is stored once, with its own time."""
