"""監視: is the system well, who is told when it is not, and which incident the figures speak for (4.1.1, 4.3, 5.2)."""
