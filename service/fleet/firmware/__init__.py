"""Firmware images and their staged roll-out to the terminals, in waves."""
