"""Lists of devices as the views define them, of now and of another day."""
