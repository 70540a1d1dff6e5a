"""Imports: a file is read into rows, each row is planned (new, update, unchanged, error), and all are applied or none.

`intake` finds the uploaded file, `sheets` reads it into plain rows (`text_files`, `workbooks`), `kinds` is an area's
declaration, `mapping` finds the column of each field, `plan` plans each row, `records` stores the import between the
steps, `run` applies it.
"""
