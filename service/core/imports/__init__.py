"""Imports: a file becomes rows, rows become what each of them would do, and all of that happens, or nothing.

`intake` finds the file that was sent, `sheets` reads it into plain rows (`text_files`, `workbooks`), `kinds` is what an
area declares, `mapping` finds the column of each field, `plan` says what each row would do, `records` keeps a file
between the steps, `run` does it.
"""
