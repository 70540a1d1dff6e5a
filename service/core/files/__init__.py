"""Files: received and checked by content, kept in a folder or a bucket, known by a row of their own.

`names` cleans what people call them, `content` decides what they are, `pictures` and `metadata` look into images,
`storage` keeps the bytes, `deposit` brings those together, `records` is the table, `answers` sends them out again.
"""
