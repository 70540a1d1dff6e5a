"""経営ダッシュボード (4.2.2): months counted by night, on a page, on paper and by mail."""
