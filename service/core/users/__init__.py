"""Administering people: what an area's administrator sees and changes of those who work there, and nobody else's."""
