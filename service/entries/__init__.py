"""保護者入退管理: who brings and fetches children, when, and who is in the building."""
