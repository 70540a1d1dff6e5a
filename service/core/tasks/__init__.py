"""Long work: what a person starts, leaves and comes back to.

`records` is the table and what people do with it, `lease` lends a task to one worker at a time, `work` is the task as
the function that does it sees it. The functions themselves are in `jobs/long`.
"""
