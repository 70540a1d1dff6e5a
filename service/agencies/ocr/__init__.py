"""Reading statements by OCR: values read from an image are proposed, and an operator accepts them field by field."""
