"""貸出状況: who has which device, since when, what is overdue or forgotten, and the reminders."""
