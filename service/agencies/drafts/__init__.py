"""Drafts: forms that a user has filled in but not sent yet."""
