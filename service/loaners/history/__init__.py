"""The devices' history: events that nobody edits, and what follows from them: states and loans."""
