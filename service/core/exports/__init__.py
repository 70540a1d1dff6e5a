"""Exports: lists as CSV and Excel, of any length in constant memory, safe to open in a spreadsheet.

`cells` keeps text from being taken for something else, `declared` is an area's declaration of a list, `csv_file` and
`excel_file` write it, `answers` sends it and records it in the audit log.
"""
