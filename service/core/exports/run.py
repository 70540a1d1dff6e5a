"""The export of a list as a background task, however long it takes."""

from __future__ import annotations

import tempfile

from sqlalchemy import text

from service.core.exports import answers, csv_file
from service.core.exports.declared import export_list_for, read_filters
from service.core.purposes import FileKind
from service.core.tasks.work import Result, Work


def run(work: Work) -> Result:
    export_list = export_list_for(work.actor, work.params["list"])
    filters, kind = read_filters(export_list, work.params["filters"]), FileKind[work.params["format"].upper()]
    book = None
    with tempfile.TemporaryFile() as spool:
        # One transaction for all rows: the list as it was at one time.
        with work.transaction() as db:
            # No request waits.
            db.execute(text("SET LOCAL statement_timeout = '15min'"))
            total = answers.count(db, work.actor, export_list, filters)
            message = f"{total:,}件の一覧を書き出しています"
            work.progress(0, total, message)
            if kind is FileKind.CSV:
                rows = csv_file.write(db, work.actor, export_list, filters, spool)
            else:
                from service.core.exports import excel_file  # not at the top: see `imports.records`

                book = excel_file.fill(
                    db,
                    work.actor,
                    export_list,
                    filters,
                    lambda row_count: work.progress(min(row_count, total), total, message),
                )
                rows = book.rows
            name = answers.file_name(db, export_list.title, kind)
        work.progress(rows, rows, f"{rows:,}件のファイルを保存しています")
        # Outside any transaction: PostgreSQL would end one that is idle while a large file is written and stored.
        if book:
            book.save(spool)
        file = work.store_file(spool, kind, name)
    result = Result(f"{rows:,}件を出力しました。", {"件数": rows}, file)
    with work.transaction() as db:
        answers.record_list_export(db, work.actor, export_list, filters, kind, rows)
        work.settle(db, result)
    return result
