"""手動対応 as people work through it: the list, who has what, its clocks."""
