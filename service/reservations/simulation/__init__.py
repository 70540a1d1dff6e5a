"""What another order of shops would have made of the past."""
