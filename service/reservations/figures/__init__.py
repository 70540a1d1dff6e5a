"""Figures over reservations: today's and this week's, and the management's months."""
