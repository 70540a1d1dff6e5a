"""Corporations: who applies."""
