"""Exports: lists as CSV and Excel, of any length in constant memory, safe to open in a spreadsheet.

`cells` makes text harmless, `declared` is what an area says about a list, `csv_file` and `excel_file` write it,
`answers` sends it out and leaves the trail.
"""
