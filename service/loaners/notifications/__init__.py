"""What was told by mail about devices: kept with their history, whatever becomes of the outbox."""
