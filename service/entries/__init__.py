"""保護者入退管理: who brings and picks up children, when, and who is in the building."""
