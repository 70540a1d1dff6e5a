"""貸出状況: who has what, since when, what is overdue or forgotten, and who was reminded."""
