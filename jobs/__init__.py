"""Celery tasks: run the service's scheduled work and deliver its outbox. What is due is decided in PostgreSQL; Celery
only triggers."""
