"""rotate_token: a new token, generated here; only its hash is sent to the service."""

import hashlib
from collections.abc import Mapping
from typing import Any

from agent.backoff import Backoff
from agent.command import CommandFailed
from agent.command_report import Progress, Refused, wait_seconds
from agent.context import Context
from agent.send import Unauthorised
from agent.state import StateError
from agent.transport import Answer


def run(context: Context, progress: Progress, _: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an empty result. Raises CommandFailed, Cancelled, Stopped.

    The next token is on disk before its hash is sent. When the answer is lost, the current token is then either refused
    (the service has the new one) or accepted (the rotation did not reach the service and is repeated).
    """
    try:
        token = context.tokens.prepare()
    except StateError as error:
        raise CommandFailed("no_space", str(error)) from error
    backoff = Backoff()
    while token in context.tokens.candidates()[1:]:
        current = context.tokens.candidates()[0]
        outcome = progress.desk.put_token(current, hashlib.sha256(token.encode()).hexdigest())
        if isinstance(outcome, Answer):
            context.tokens.use(token)
        elif isinstance(outcome, Unauthorised):
            # Perhaps an earlier rotation succeeded. This report tries both tokens and uses the one that is accepted.
            progress.report_and_wait("rotating")
        elif isinstance(outcome, Refused):
            raise CommandFailed("refused", f"新しいトークンは受け付けられませんでした: {outcome.reason}")
        else:
            progress.pause(wait_seconds(outcome, backoff))
    return {}
