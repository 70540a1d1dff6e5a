"""棚卸: which of the devices that should be in a room are there."""
