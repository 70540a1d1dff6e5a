"""Downloads the firmware file, resuming after each interruption, and checks its SHA-256."""

import errno
import hashlib
import logging
import os
import re
import shutil
from pathlib import Path
from time import monotonic
from typing import BinaryIO

import httpx2

from agent.backoff import Backoff
from agent.command import Cancelled, CommandFailed
from agent.command_report import Progress, wait_seconds
from agent.firmware.journal import DOWNLOADING
from agent.firmware.order import Order
from agent.send import Failed, Unauthorised, detail, failed
from agent.transport import Answer, describe, firmware_url, request_headers

SPARE_BYTES = 16 * 1024 * 1024
SYNC_BYTES = 1024 * 1024
# After this time without a new byte the download fails.
PATIENCE_SECONDS = 24 * 3600.0
_RETRY_STATUSES = (401, 408, 425, 429)

log = logging.getLogger("agent")


def fetch(order: Order, path: Path, progress: Progress) -> None:
    """Download the file to `path`, resuming where an earlier attempt ended.

    Raises CommandFailed (no_space, download_failed, bad_checksum), Cancelled, Stopped.
    """
    for last in (False, True):
        _download(order, path, progress)
        progress.update("verifying")
        if _sha256(path) == order.sha256:
            return
        # The parts do not match, perhaps after a power cut: download once more from the start.
        path.unlink()
        if last:
            raise CommandFailed("bad_checksum", "ファームウェアのSHA-256が一致しません。", rolled_back=False)
        log.warning("ファームウェアのSHA-256が一致しないため、最初から取得し直します。")


def _download(order: Order, path: Path, progress: Progress) -> None:
    backoff = Backoff()
    received = _received_bytes(path, order)
    deadline = monotonic() + PATIENCE_SECONDS
    while received < order.size:
        _check_space(order, path, received)
        progress.update(DOWNLOADING, 100 * received // order.size)
        outcome = _attempt(order, path, received, progress)
        has_new_bytes, received = _received_bytes(path, order) != received, _received_bytes(path, order)
        if has_new_bytes:
            deadline = monotonic() + PATIENCE_SECONDS
            backoff.reset()
        if received >= order.size:
            return
        log.warning("ファームウェアの取得が中断しました: %s（%d / %d バイト）。", outcome.reason, received, order.size)
        if monotonic() > deadline:
            text = f"ファームウェアを取得できません: {outcome.reason}"
            raise CommandFailed("download_failed", text, rolled_back=False)
        progress.pause(wait_seconds(outcome, backoff))


def _attempt(order: Order, path: Path, received: int, progress: Progress) -> Failed | Unauthorised:
    """One request, whose bytes are written as they arrive. Returns why it ended, also when the file is complete."""
    outcome: Failed | Unauthorised = Failed("接続が切れました")
    client = progress.desk
    url = firmware_url(client.transport.url, order.task_id)
    # If-Range: when the file was replaced meanwhile, the service sends the whole file.
    range_headers = {"Range": f"bytes={received}-", "If-Range": f'"{order.sha256}"'} if received else {}
    for token in client.tokens.candidates():
        try:
            with client.transport.download(url, request_headers(token) | range_headers) as response:
                outcome = _receive(response, order, path, received, progress)
        except httpx2.HTTPError as error:
            return Failed(describe(error))
        except OSError as error:
            raise _no_space(error) from error
        if not isinstance(outcome, Unauthorised):
            break
    return outcome


def _receive(
    response: httpx2.Response, order: Order, path: Path, received: int, progress: Progress
) -> Failed | Unauthorised:
    if response.status_code == 206:
        if _range_start(response) != received:
            # Not the requested range: start again without a range.
            path.unlink(missing_ok=True)
            return Failed("サービスの応答の範囲が正しくありません")
    elif response.status_code != 200:
        return _error_outcome(response, path)
    with open(path, "ab" if response.status_code == 206 else "wb") as file:
        _write(response, order, file, progress)
    return Failed("接続が切れました")


def _write(response: httpx2.Response, order: Order, file: BinaryIO, progress: Progress) -> None:
    size = synced = file.tell()
    try:
        for chunk in response.iter_raw():
            # Bytes beyond the signed size are dropped, so that they cannot fill the disk.
            chunk = chunk[: order.size - size]
            file.write(chunk)
            size += len(chunk)
            if size - synced >= SYNC_BYTES:
                _sync(file)
                synced = size
            if size >= order.size:
                return
            progress.update(DOWNLOADING, 100 * size // order.size)
    finally:
        _sync(file)


def _error_outcome(response: httpx2.Response, path: Path) -> Failed | Unauthorised:
    answer = Answer(response.status_code, response.headers, response.read()[:4096])
    if answer.status == 401:
        return Unauthorised(detail(answer))
    if answer.status in (404, 410):
        raise Cancelled
    if answer.status == 416:
        path.unlink(missing_ok=True)
        return Failed(detail(answer))
    if 400 <= answer.status < 500 and answer.status not in _RETRY_STATUSES:
        raise CommandFailed("download_failed", f"ファームウェアを取得できません: {detail(answer)}", rolled_back=False)
    return failed(answer)


def _range_start(response: httpx2.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _received_bytes(path: Path, order: Order) -> int:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    return size if size <= order.size else 0


def _check_space(order: Order, path: Path, received: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < order.size - received + SPARE_BYTES:
        text = f"ディスクの空き容量が足りません（空き {free // 1024**2} MiB）。"
        raise CommandFailed("no_space", text, rolled_back=False)


def _no_space(error: OSError) -> CommandFailed:
    code = "no_space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "download_failed"
    return CommandFailed(code, f"ファームウェアを保存できません（{error.strerror}）。", rolled_back=False)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
