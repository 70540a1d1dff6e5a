"""Services that can be reserved, and their sizes with prices."""
