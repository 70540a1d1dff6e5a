"""The demo's people and data: the documents' own examples. Never loaded outside demo mode; safe to run again."""
