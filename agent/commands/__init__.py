"""Commands of the service to this store PC: each is executed once, in parallel to the heartbeats, and its result is
reported until the service has it.

heartbeat's answer -> command_book.py (durable) -> worker.py -> diagnose | bundle | rotate | firmware
-> command_report.py
"""
