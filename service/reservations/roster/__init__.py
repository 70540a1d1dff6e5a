"""オンコール当番: who is on call, from when until when, under which number."""
