"""Announced work at terminals: for its time, no alert is opened."""
