"""Forms: what is asked when a device's status changes, in numbered versions."""
