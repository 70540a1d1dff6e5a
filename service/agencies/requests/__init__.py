"""Requests (投入依頼) with their sites, images and comments, and their status transitions."""
