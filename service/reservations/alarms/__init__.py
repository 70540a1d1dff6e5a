"""Conditions of the system itself that people hear of: begun, going on, over."""
