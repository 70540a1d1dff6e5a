"""A firmware update, from the signed order to the TC-200 that runs it.

order.py (signature) -> download.py (ranges, SHA-256) -> device.py (pieces, restart, trial) -> update.py leads
                                 journal.py: where it stands, on disk before each step
"""
