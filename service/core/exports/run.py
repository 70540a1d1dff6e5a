"""A list as a file that is written beside everything else, however long it takes."""

from __future__ import annotations

import tempfile

from service.core.exports import answers, csv_file
from service.core.exports.declared import list_for, read_filters
from service.core.purposes import Kind
from service.core.tasks.work import Result, Work


def run(work: Work) -> Result:
    listed = list_for(work.actor, work.params["list"])
    filters, kind = read_filters(listed, work.params["filters"]), Kind[work.params["format"].upper()]
    book = None
    with tempfile.TemporaryFile() as spool:
        # One transaction from the first row to the last: the list as it was at one moment.
        with work.transaction() as db:
            total = answers.count(db, work.actor, listed, filters)
            words = f"{total:,}件の一覧を書き出しています"
            work.progress(0, total, words)
            if kind is Kind.CSV:
                rows = csv_file.write(db, work.actor, listed, filters, spool)
            else:
                from service.core.exports import excel_file  # not at the top: see `imports.records`

                book = excel_file.fill(
                    db, work.actor, listed, filters, lambda seen: work.progress(min(seen, total), total, words)
                )
                rows = book.rows
            name = answers.file_name(db, listed.title, kind)
        work.progress(rows, rows, f"{rows:,}件のファイルを保存しています")
        # Outside any: PostgreSQL ends a transaction that stands idle while a large file is packed and stored.
        if book:
            book.save(spool)
        kept = work.keep(spool, kind, name)
    result = Result(f"{rows:,}件を出力しました。", {"件数": rows}, kept)
    with work.transaction() as db:
        answers.leave_trail(db, work.actor, listed, filters, kind, rows)
        work.settle(db, result)
    return result
