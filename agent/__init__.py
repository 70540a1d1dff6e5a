"""The store-PC agent: collect -> spool -> send, with the USB link to the TC-200 and a simulator for both ends.

It speaks HTTP to the service and never imports it.
"""

__version__ = "1.0.0"
