"""棚卸: which of the expected devices are in a room."""
