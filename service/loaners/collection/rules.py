"""How a row of a collection sheet is read: the form it answers, and the meaning of its cells."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.core.values.times import TOKYO
from service.loaners.forms.rules import DEPOSIT, MAX_ANSWER_LENGTH, Meaning, Question, Type
from service.loaners.rules import DEPOSIT_LABELS, HELD_LABELS, STATUS_LABELS, Deposit, Status

# 0-4.ステータス, 1-1.貸出先, 3-1-2.修理の依頼先.
HEADER = re.compile(r"([0-9]+(?:-[0-9]+){1,2})\s*[.．]\s*(.+)")
# The document has both spellings.
DEPOSIT_HEADERS = ("預り機のステータス", "預かり機のステータス")
# 拠点管理番号 and 機種名 belong to the device; they are not answers.
DEVICE_KEYS = frozenset({"0-2", "0-3"})
_TIMESTAMP = re.compile(
    r"(\d{4})[/\-.年](\d{1,2})[/\-.月](\d{1,2})日?(?:[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?)?"
)
# Shorter and longer forms that are in use. The number in front is not enough: 2.4 to 2.6 use other numbers.
_DEPOSIT_ALIASES = {
    "返却可能": Deposit.RETURNABLE,
    "商談や金額の問題で返却不可": Deposit.NEGOTIATING,
    "2.商談や金額の問題": Deposit.NEGOTIATING,
    "商談や金額の問題": Deposit.NEGOTIATING,
    "お客様による返却拒否": Deposit.REFUSED,
    "HW延長保守中": Deposit.MAINTAINED,
    "4.HW延長保守中": Deposit.MAINTAINED,
    "HW延長保守中(OS入れ替えやサービス終了を含む)": Deposit.MAINTAINED,
}
_HELD_ALIASES = {"有": True, "あり": True, "有り": True, "無": False, "なし": False, "無し": False}


def normalize_text(text: str) -> str:
    """Ignores full-width forms, blanks and case."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).casefold()


_STATUSES = {normalize_text(label): member for member, label in STATUS_LABELS.items()}
_DEPOSITS = {normalize_text(label): member for label, member in _DEPOSIT_ALIASES.items()} | {
    normalize_text(labels.title): member for member, labels in DEPOSIT_LABELS.items()
}


def parse_timestamp(text: str) -> datetime:
    """yyyy/MM/dd HH:mm:ss in Tokyo (7.1). Raises ValueError with a message for the user."""
    match = _TIMESTAMP.fullmatch(unicodedata.normalize("NFKC", text).strip())
    try:
        if match:
            year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=TOKYO)
    except ValueError:
        pass
    raise ValueError("日時として読み取れません。2024/07/02 14:30:00 の形で入力してください。")


def parse_day(text: str) -> str:
    """A day in the format of answers: 2026-11-21. Raises ValueError with a message for the user."""
    try:
        return parse_timestamp(text).date().isoformat()
    except ValueError:
        raise ValueError("日付として読み取れません。2024/07/01 の形で入力してください。") from None


def parse_status(text: str) -> Status:
    """Raises ValueError with a message for the user."""
    value = _STATUSES.get(normalize_text(text))
    if value is None:
        raise ValueError(f"ステータスは {'、'.join(STATUS_LABELS.values())} のいずれかです。")
    return value


def parse_held(text: str) -> bool:
    """Raises ValueError with a message for the user."""
    is_held = _HELD_ALIASES.get(normalize_text(text))
    if is_held is None:
        raise ValueError(f"ユーザー機の預り有無は {'、'.join(HELD_LABELS.values())} のいずれかです。")
    return is_held


def parse_deposit(text: str) -> Deposit:
    """Compares the whole text, never only the number in front: 3.社内にて保管中 is not a deposit status. Raises
    ValueError with a message for the user."""
    value = _DEPOSITS.get(normalize_text(text))
    if value is None:
        titles = "、".join(labels.title for labels in DEPOSIT_LABELS.values())
        raise ValueError(f"預り機のステータス「{text[:60]}」は使えません。{titles} のいずれかにしてください。")
    return value


def question_key(header: str) -> str | None:
    """The question key of a column with answers; None for other columns."""
    if normalize_text(header) in map(normalize_text, DEPOSIT_HEADERS):
        return DEPOSIT
    match = HEADER.fullmatch(unicodedata.normalize("NFKC", header).strip())
    return None if match is None or match[1] in DEVICE_KEYS else match[1]


@dataclass(frozen=True)
class Version:
    """The part of a form that is needed to read rows."""

    form_id: int
    questions: Sequence[Question]


def version_for(versions: Sequence[Version], headers: Collection[str]) -> Version:
    """The version with the most matching headers; of two equal ones the newer. `versions`: oldest first, not empty."""
    normalized_headers = {normalize_text(header) for header in headers}

    def matching_headers(version: Version) -> int:
        return len(normalized_headers & {normalize_text(question.header) for question in version.questions})

    return max(reversed(versions), key=matching_headers)


def read_answers(version: Version, cells: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Answers by question key, and error messages by header. An answer to a question that the form does not have is
    kept as it is: a sheet is evidence. An empty 預り機のステータス is an answer: 未設定 (2.6.2)."""
    questions = {question.key: question for question in version.questions}
    answers: dict[str, str] = {}
    errors: dict[str, str] = {}
    for header, text in cells.items():
        key = question_key(header)
        if key == DEPOSIT and not text.strip():
            answers.setdefault(DEPOSIT, "")
        if key is None or not text.strip():
            continue
        try:
            answers[key] = _answer(questions.get(key), text.strip())
        except ValueError as error:
            errors[header] = str(error)
    status_question = next((question for question in version.questions if question.meaning is Meaning.STATUS), None)
    if status_question and status_question.key not in answers and not errors:
        errors[status_question.header] = f"「{status_question.header}」の列に値がありません。"
    return answers, errors


def _answer(question: Question | None, text: str) -> str:
    if len(text) > MAX_ANSWER_LENGTH:
        raise ValueError(f"{MAX_ANSWER_LENGTH}文字以内にしてください。")
    if question is None:
        return text
    if question.meaning is Meaning.STATUS:
        return STATUS_LABELS[parse_status(text)]
    if question.meaning is Meaning.HELD:
        return HELD_LABELS[parse_held(text)]
    if question.meaning is Meaning.DEPOSIT:
        return DEPOSIT_LABELS[parse_deposit(text)].title
    if question.type is Type.DATE:
        return parse_day(text)
    by_normalized_text = {normalize_text(choice): choice for choice in question.choices}
    return by_normalized_text.get(normalize_text(text), text)


def raw_answers(cells: Mapping[str, str]) -> list[list[str]]:
    """The answers of a row by question key, independent of their spelling and of the forms."""
    answers = ((question_key(header), text) for header, text in cells.items())
    return sorted([key, _comparable(key, text)] for key, text in answers if key is not None and text.strip())


def _comparable(key: str, text: str) -> str:
    try:
        return parse_timestamp(text).isoformat()
    except ValueError:
        pass
    normalized = normalize_text(text)
    if key == DEPOSIT and normalized in _DEPOSITS:
        return DEPOSIT_LABELS[_DEPOSITS[normalized]].title
    return HELD_LABELS[_HELD_ALIASES[normalized]] if normalized in _HELD_ALIASES else normalized


def import_key(device_id: int, at: datetime, answers: Sequence[Sequence[str]]) -> str:
    """Idempotency key of a row: the same in every file. `answers` is its `raw_answers`."""
    content: list[Any] = [device_id, at.timestamp(), answers]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
