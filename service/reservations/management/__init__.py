"""経営ダッシュボード (4.2.2): monthly figures, counted every night, as a page, a PDF and a mail."""
