"""Pages of メモ."""
