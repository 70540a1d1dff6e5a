"""`python -m tests.load.clean_files`: removes stored files without an owner, however new they are. Only where no client
is writing any more."""

from __future__ import annotations

from datetime import timedelta

from service.core.files import retention

if __name__ == "__main__":
    retention.ORPHAN_AGE = timedelta(0)
    print(retention.clean())
