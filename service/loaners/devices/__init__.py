"""Devices: how they are registered, numbered, described and moved."""
