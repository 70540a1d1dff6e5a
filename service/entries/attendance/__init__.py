"""出欠: what staff enter about a child's day, next to the scans."""
