"""代理店別数値 (3.6), their development over time, and the administrators' dashboard."""
