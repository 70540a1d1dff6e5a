"""月次報告書: how a month went, for each customer and for all, drafted by itself and sent by a person."""
