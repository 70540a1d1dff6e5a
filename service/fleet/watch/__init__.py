"""The watch over the fleet, every ten seconds: offline terminals, alerts, incidents, notifications, reminders."""
