"""Printing of labels, cards and bar codes."""
