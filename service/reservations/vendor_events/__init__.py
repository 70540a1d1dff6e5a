"""Vendor events: what a vendor reports about an SMS, a call, a payment or a refund."""
