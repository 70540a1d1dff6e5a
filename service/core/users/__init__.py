"""User administration: what an area's administrator sees and changes of the area's users, and of no other users."""
