"""データタイプ: how lists of devices are shown, declared by rows that an administrator edits."""
