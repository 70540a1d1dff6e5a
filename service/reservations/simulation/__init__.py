"""店舗順序シミュレーション: replays past searches with another order of shops. It changes no data."""
