"""月次報告書: the figures of a month for each customer and for all, drafted automatically and sent by an operator."""
