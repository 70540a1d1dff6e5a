"""予約運用: reservations made through an assistant, arranged by phone, paid online."""
