"""Key figures of reservations: of today, of this week, and of the months of the management dashboard."""
