"""What the running product writes on disk is for its own account."""

from __future__ import annotations

from tests.stack import Stack


def test_no_file_of_the_running_product_can_be_read_by_other_accounts(stack: Stack) -> None:
    entries = [entry for entry in stack.home.path.rglob("*") if not entry.is_symlink() and not entry.is_socket()]

    assert {"logs", "valkey", "sandbox.sqlite"} <= {entry.name for entry in entries}
    assert [str(entry) for entry in entries if entry.lstat().st_mode & 0o077] == []
