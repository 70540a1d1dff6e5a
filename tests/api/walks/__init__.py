"""What is asked of every route of the service."""
