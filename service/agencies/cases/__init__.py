"""Requests as those who enter applications see and work on them."""
