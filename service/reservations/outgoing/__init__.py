"""Outgoing effects of the state machine: messages, calls, checkouts, refunds, tasks for operators."""
