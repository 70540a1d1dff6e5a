"""Guides for customers, shops and operators: one source, read as pages and as PDF."""
