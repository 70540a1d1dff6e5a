"""What the fleet prints: the status report and sheets of labels."""
