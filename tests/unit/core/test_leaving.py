"""The end of a service as uvicorn brings it about, seen from the other end of its connections."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

from stack.home import ROOT
from tests.processes import await_ok, free_port, tied

APP = """
import sys
import uvicorn
from service.core import leaving

leaving.LAST_SECONDS = 20

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        leaving.linger(0.1)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if leaving.is_leaving():
        send = leaving.last_of_its_connection(send)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
"""
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"


def is_let_in(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_who_was_let_in_is_answered_and_told_that_it_ends_here() -> None:
    port = free_port()
    process = subprocess.Popen(tied([sys.executable, "-c", APP, str(port)]), cwd=ROOT)
    try:
        await_ok(f"http://127.0.0.1:{port}/", process)
        with socket.create_connection(("127.0.0.1", port), 30) as line:
            line.sendall(POST)
            first = b""
            while not first.endswith(b"ok"):
                first += line.recv(1000)
            assert b"close" not in first

            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 30
            while is_let_in(port):
                assert time.monotonic() < deadline, "it goes on letting in"
                time.sleep(0.02)
            line.sendall(POST)
            answer = b""
            while part := line.recv(1000):
                answer += part

        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer.lower()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
