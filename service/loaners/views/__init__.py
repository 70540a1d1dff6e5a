"""データタイプ: definitions of device lists, in rows that an administrator edits."""
