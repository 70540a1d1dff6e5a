"""The operators' view of reservations and their actions on them."""
