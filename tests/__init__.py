"""Tests of all rooms, and what they stand on."""
