"""A firmware update, from the signed order to the TC-200 that runs it.

order.py (signature) -> download.py (ranges, SHA-256) -> device.py (chunks) -> trial.py (restart, trial)
update.py runs these steps; journal.py saves the reached step on disk before each of them.
"""
