"""The maintenance calendar: what is to be done on which day, by whom, and whether it was."""
