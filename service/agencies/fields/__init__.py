"""What people type into applications: one form for each value, checked and brought to it."""
