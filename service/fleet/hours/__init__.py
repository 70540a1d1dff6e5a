"""Opening hours that a terminal's heartbeats have taught: whose silence is nothing before the shop opens again."""
