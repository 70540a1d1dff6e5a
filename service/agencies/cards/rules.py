"""How long card data is stored."""

from __future__ import annotations

from datetime import timedelta

# After the corporation's last open request ended, only the last four digits of its card are left.
PURGE_AFTER = timedelta(days=7)
# After this a security code is deleted, used or not.
CODE_RETENTION = timedelta(hours=72)
