"""The loaners area's jobs."""
