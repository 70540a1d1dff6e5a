"""Authentication and authorisation: sessions, permissions, tenants, passwords."""
