"""Celery: wakes what the service decides and delivers what it published. PostgreSQL decides, Celery only wakes."""
