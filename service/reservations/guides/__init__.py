"""Guides for customers, shops and operators: one source for pages and PDF files."""
