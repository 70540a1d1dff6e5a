"""What vendors report: by webhook, as the answer to a message, or when asked. It may come late, twice and in any order:
what is already applied changes nothing."""
