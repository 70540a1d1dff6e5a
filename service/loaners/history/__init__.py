"""The devices' history: events that are never edited, and their projection: states and loans."""
