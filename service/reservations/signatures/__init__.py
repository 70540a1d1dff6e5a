"""Whether a vendor's word is the vendor's."""
