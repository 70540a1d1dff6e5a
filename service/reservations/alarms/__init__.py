"""監視: measurements, alarms with notifications, and proposed incidents (4.1.1, 4.3, 5.2)."""
