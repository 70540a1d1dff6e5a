"""Requests: what is asked for, its sites, images and comments, and how they move."""
