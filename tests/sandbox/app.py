"""The sandbox's HTTP side: a readable inbox for people, the same as JSON for tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from tests.sandbox.mailbox import Mailbox, listen

PAGE = """<!doctype html>
<html lang="ja"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5"><title>受信箱 - Genba サンドボックス</title>
<style>
 body {{ font: 15px/1.7 "Noto Sans JP", "Hiragino Sans", "Yu Gothic UI", sans-serif; color: #1f2a37;
        max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}
 article {{ border: 1px solid #d9e0e8; border-radius: 6px; padding: .8rem 1.2rem; margin: 1rem 0; }}
 h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1.05rem; margin: 0 }}
 pre {{ white-space: pre-wrap; font: inherit; margin: .6rem 0 0 }}
 p, footer {{ color: #52606d; margin: .2rem 0 }}
</style>
<h1>受信箱</h1>
<p>Genba が送信したメールがここに届きます（実際の宛先には送信されません）。5秒ごとに更新します。</p>
{mails}
"""
MAIL = "<article><h2>{subject}</h2><p>{received_at}　宛先: {recipients}</p><pre>{body}</pre></article>"
EMPTY = "<p>まだメールはありません。</p>"


def make_app(mailbox: Mailbox, smtp_host: str, smtp_port: int) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with await listen(mailbox, smtp_host, smtp_port):
            yield

    async def inbox(_: Request) -> Response:
        mails = [
            MAIL.format(
                subject=escape(str(mail["subject"])),
                received_at=escape(str(mail["received_at"])),
                recipients=escape("、".join(mail["recipients"])),  # type: ignore[arg-type]  # a list of str
                body=escape(str(mail["body"])),
            )
            for mail in mailbox.newest_first()
        ]
        return HTMLResponse(PAGE.format(mails="\n".join(mails) or EMPTY))

    async def mails(_: Request) -> Response:
        return JSONResponse(mailbox.newest_first())

    async def health(_: Request) -> Response:
        return Response("ok", media_type="text/plain")

    return Starlette(
        routes=[Route("/", inbox), Route("/mails", mails), Route("/health", health)],
        lifespan=lifespan,
    )


def app() -> Starlette:
    """For uvicorn's `--factory`."""
    return make_app(Mailbox(), "127.0.0.1", int(os.environ.get("SANDBOX_SMTP_PORT", "8125")))
