"""What can be reserved: services, and their sizes with prices."""
