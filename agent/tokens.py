"""The terminal's token, and during a rotation the next token: the one that the service accepts is the current token.

The answer to a rotation can be lost. So the next token is on disk before it is sent to the service, and when a token is
refused, the other one is tried too.
"""

import logging
import secrets
from dataclasses import replace
from pathlib import Path
from threading import Lock

from agent.state import Credentials, StateError, save_credentials

log = logging.getLogger("agent")


class Tokens:
    """Shared by all threads of the agent."""

    def __init__(self, state_dir: Path, credentials: Credentials) -> None:
        self._state_dir = state_dir
        self._credentials = credentials
        self._lock = Lock()

    def __repr__(self) -> str:
        """Without any token."""
        return "Tokens()"

    def candidates(self) -> list[str]:
        """The tokens in the order to try them: the current one, then the next one if there is one."""
        with self._lock:
            return [token for token in (self._credentials.token, self._credentials.next_token) if token]

    def prepare(self) -> str:
        """The next token, saved before it is sent anywhere; the same one until it is used. Raises StateError."""
        with self._lock:
            if self._credentials.next_token is None:
                self._save(replace(self._credentials, next_token=secrets.token_urlsafe(32)))
            assert self._credentials.next_token is not None
            return self._credentials.next_token

    def use(self, token: str) -> None:
        """The service accepted this token: it is the current one from now on."""
        with self._lock:
            if token == self._credentials.next_token:
                # In memory even if the disk is full: the file still has both, and the next start tries both.
                self._credentials = replace(self._credentials, token=token, next_token=None)
                try:
                    self._save(self._credentials)
                except StateError as error:
                    log.error("%s", error)
                log.info("新しいトークンに切り替えました。")

    def _save(self, credentials: Credentials) -> None:
        save_credentials(self._state_dir, credentials)
        self._credentials = credentials
