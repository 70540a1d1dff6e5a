"""Corporations: the applicants."""
