"""Background tasks that compute or take minutes, in a separate process that is started on demand."""
