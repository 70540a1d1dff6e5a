"""Delivery results of a reservation's messages."""
