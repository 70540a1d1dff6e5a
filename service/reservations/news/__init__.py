"""What a vendor says about an SMS, a call, a payment or a refund of ours, however it reached us."""
