"""Verification of vendors' webhook signatures."""
