"""定期作業, the maintenance calendar: which chore is due when, who owns it, and whether it was done."""
