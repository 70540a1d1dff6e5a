"""Devices as the views show them, of now and of another day."""
