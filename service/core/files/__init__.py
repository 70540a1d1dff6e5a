"""Files: received and checked by content, stored in a folder or a bucket, with a row each in the table `files`.

`names` cleans file names, `content` detects the kind, `pictures` and `metadata` inspect images, `storage` stores the
bytes, `incoming` and `deposit` do all of that for an upload, `records` is the table, `answers` sends files, `retention`
deletes them.
"""
