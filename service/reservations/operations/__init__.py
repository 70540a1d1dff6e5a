"""手動対応: what people have to do and until when, as the flow opens and settles it."""
