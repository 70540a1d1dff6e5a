"""What a shop said on the phone."""
