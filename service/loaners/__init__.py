"""代替機管理: which loaner device is where, who has it, and since when. The history is the source of truth."""
