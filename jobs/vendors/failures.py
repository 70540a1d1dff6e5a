"""How a vendor can fail."""


class VendorFailure(Exception):
    """Not sent, or not known to be sent; worth another try."""


class PermanentFailure(VendorFailure):
    """Another try would fail the same way."""
