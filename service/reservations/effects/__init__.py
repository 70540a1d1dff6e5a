"""Carrying out what the state machine decided: messages, calls, checkouts, refunds, tasks for people."""
