"""Enquiries of customers and shops, with the clocks of a first response and of a resolution."""
