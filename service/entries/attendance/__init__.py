"""出欠: what staff say of a child's day, beside what was scanned."""
