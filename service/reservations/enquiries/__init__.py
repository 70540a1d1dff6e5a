"""Enquiries of customers and shops, with targets for the first response and the resolution."""
