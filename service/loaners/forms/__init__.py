"""Forms: the questions for a change of a device's status, in numbered versions."""
