"""Transcripts: what a shop said on the phone."""
