"""Pure functions and types of values: times, working time, targets, phone numbers, texts."""
