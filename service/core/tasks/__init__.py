"""Background tasks: long work that a user starts and need not wait for.

`records` is the table and what users do with it, `lease` leases a task to one worker at a time, `work` is the interface
for the function of a task, `runner` runs one. The functions themselves are in `jobs/long`.
"""
