"""代理店別数値 (3.6), how they went over time, and the first page of who looks after it all."""
