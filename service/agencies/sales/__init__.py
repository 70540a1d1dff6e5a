"""Requests, for sales: submit, follow, correct and cancel them."""
