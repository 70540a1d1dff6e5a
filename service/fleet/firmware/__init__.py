"""Firmware images, and how they are rolled out to the terminals in waves."""
