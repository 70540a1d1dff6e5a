"""What people tell of devices: the status form, opened by a label, and the 預り機のステータス."""
