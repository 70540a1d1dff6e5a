"""What vendors tell us by webhooks: kept once, read by a job."""
