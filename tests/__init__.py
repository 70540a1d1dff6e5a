"""Tests of all packages, and their helper modules."""
