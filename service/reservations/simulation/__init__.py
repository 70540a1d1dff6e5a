"""店舗順序シミュレーション: the history lived through with another order of shops. Nothing is changed by it."""
