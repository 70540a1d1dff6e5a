"""代替機管理: which loaner device is where, who has it, and since when; its history is the truth."""
