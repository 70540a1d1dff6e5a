"""The fields of applications: validates what users type and normalizes it."""
