"""Mails about devices: stored with their history, also after the outbox deletes its messages."""
