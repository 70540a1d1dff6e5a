"""Devices: how they are registered, numbered, edited and transferred."""
