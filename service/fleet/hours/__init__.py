"""Opening hours learned from a terminal's heartbeats: silence while the store is closed raises no alert."""
