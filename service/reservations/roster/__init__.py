"""オンコール当番: which user is on call, when, and under which phone number."""
