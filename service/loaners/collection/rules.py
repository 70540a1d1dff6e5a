"""How a row of a collection sheet is read: which form it answers, and what its cells mean."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.core.times import TOKYO
from service.loaners.forms.rules import DEPOSIT, LONGEST_ANSWER, Meaning, Question, Type
from service.loaners.rules import DEPOSIT_WORDS, HELD_WORDS, STATUS_WORDS, Deposit, Status

# 0-4.ステータス, 1-1.貸出先, 3-1-2.修理の依頼先.
HEADER = re.compile(r"([0-9]+(?:-[0-9]+){1,2})\s*[.．]\s*(.+)")
# Both spellings of the document.
DEPOSIT_HEADERS = ("預り機のステータス", "預かり機のステータス")
# 拠点管理番号 and 機種名 are the device's.
NOT_ASKED = frozenset({"0-2", "0-3"})
_MOMENT = re.compile(
    r"(\d{4})[/\-.年](\d{1,2})[/\-.月](\d{1,2})日?(?:[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.\d+)?)?)?"
)
# Shorter and longer forms that have been in use; a number in front alone says nothing (2.4 to 2.6 use others).
_OTHER_DEPOSITS = {
    "返却可能": Deposit.RETURNABLE,
    "商談や金額の問題で返却不可": Deposit.NEGOTIATING,
    "2.商談や金額の問題": Deposit.NEGOTIATING,
    "商談や金額の問題": Deposit.NEGOTIATING,
    "お客様による返却拒否": Deposit.REFUSED,
    "HW延長保守中": Deposit.MAINTAINED,
    "4.HW延長保守中": Deposit.MAINTAINED,
    "HW延長保守中(OS入れ替えやサービス終了を含む)": Deposit.MAINTAINED,
}
_OTHER_HELD = {"有": True, "あり": True, "有り": True, "無": False, "なし": False, "無し": False}


def squeezed(text: str) -> str:
    """Full-width forms, blanks and letters' case make no difference."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).casefold()


_STATUSES = {squeezed(word): status for status, word in STATUS_WORDS.items()}
_DEPOSITS = {squeezed(word): deposit for word, deposit in _OTHER_DEPOSITS.items()} | {
    squeezed(words.title): deposit for deposit, words in DEPOSIT_WORDS.items()
}


def moment(text: str) -> datetime:
    """yyyy/MM/dd HH:mm:ss of Tokyo (7.1). Raises ValueError, in words."""
    found = _MOMENT.fullmatch(unicodedata.normalize("NFKC", text).strip())
    try:
        if found:
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=TOKYO)
    except ValueError:
        pass
    raise ValueError("日時として読み取れません。2024/07/02 14:30:00 の形で入力してください。")


def day(text: str) -> str:
    """As answers have days: 2026-11-21. Raises ValueError, in words."""
    try:
        return moment(text).date().isoformat()
    except ValueError:
        raise ValueError("日付として読み取れません。2024/07/01 の形で入力してください。") from None


def status(text: str) -> Status:
    """Raises ValueError, in words."""
    found = _STATUSES.get(squeezed(text))
    if found is None:
        raise ValueError(f"ステータスは {'、'.join(STATUS_WORDS.values())} のいずれかです。")
    return found


def held(text: str) -> bool:
    """Raises ValueError, in words."""
    found = _OTHER_HELD.get(squeezed(text))
    if found is None:
        raise ValueError(f"ユーザー機の預り有無は {'、'.join(HELD_WORDS.values())} のいずれかです。")
    return found


def deposit(text: str) -> Deposit:
    """By its whole words and never by the number in front: 3.社内にて保管中 is none. Raises ValueError, in words."""
    found = _DEPOSITS.get(squeezed(text))
    if found is None:
        listed = "、".join(words.title for words in DEPOSIT_WORDS.values())
        raise ValueError(f"預り機のステータス「{text[:60]}」は使えません。{listed} のいずれかにしてください。")
    return found


def question_key(header: str) -> str | None:
    """Of a column that holds answers; None of any other."""
    if squeezed(header) in map(squeezed, DEPOSIT_HEADERS):
        return DEPOSIT
    found = HEADER.fullmatch(unicodedata.normalize("NFKC", header).strip())
    return None if found is None or found[1] in NOT_ASKED else found[1]


@dataclass(frozen=True)
class Version:
    """A form as far as rows are read by it."""

    form_id: int
    questions: Sequence[Question]


def version_for(versions: Sequence[Version], headers: Collection[str]) -> Version:
    """The one whose questions these are: most headers word for word; of two alike the newer one. `versions` are the
    oldest first, at least one."""
    wanted = {squeezed(header) for header in headers}

    def alike(one: Version) -> int:
        return len(wanted & {squeezed(question.header) for question in one.questions})

    return max(reversed(versions), key=alike)


def read(version: Version, cells: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Answers by question, and by header what is wrong, in words. An answer that the form does not know stays as it
    was given: a sheet is evidence. A 預り機のステータス that is there and empty is an answer: 未設定 (2.6.2)."""
    questions = {question.key: question for question in version.questions}
    answers: dict[str, str] = {}
    wrong: dict[str, str] = {}
    for header, text in cells.items():
        key = question_key(header)
        if key == DEPOSIT and not text.strip():
            answers.setdefault(DEPOSIT, "")
        if key is None or not text.strip():
            continue
        try:
            answers[key] = _answer(questions.get(key), text.strip())
        except ValueError as error:
            wrong[header] = str(error)
    missing = next((one for one in version.questions if one.meaning is Meaning.STATUS), None)
    if missing and missing.key not in answers and not wrong:
        wrong[missing.header] = f"「{missing.header}」の列に値がありません。"
    return answers, wrong


def _answer(question: Question | None, text: str) -> str:
    if len(text) > LONGEST_ANSWER:
        raise ValueError(f"{LONGEST_ANSWER}文字以内にしてください。")
    if question is None:
        return text
    if question.meaning is Meaning.STATUS:
        return STATUS_WORDS[status(text)]
    if question.meaning is Meaning.HELD:
        return HELD_WORDS[held(text)]
    if question.meaning is Meaning.DEPOSIT:
        return DEPOSIT_WORDS[deposit(text)].title
    if question.type is Type.DATE:
        return day(text)
    alike = {squeezed(choice): choice for choice in question.choices}
    return alike.get(squeezed(text), text)


def raw(cells: Mapping[str, str]) -> list[list[str]]:
    """What stands in a row, however it is spelled, and whatever forms ask today: by the questions' numbers."""
    given = ((question_key(header), text) for header, text in cells.items())
    return sorted([key, _plain(key, text)] for key, text in given if key is not None and text.strip())


def _plain(key: str, text: str) -> str:
    try:
        return moment(text).isoformat()
    except ValueError:
        pass
    bare = squeezed(text)
    if key == DEPOSIT and bare in _DEPOSITS:
        return DEPOSIT_WORDS[_DEPOSITS[bare]].title
    return HELD_WORDS[_OTHER_HELD[bare]] if bare in _OTHER_HELD else bare


def import_key(device_id: int, at: datetime, told: Sequence[Sequence[str]]) -> str:
    """The same for the same row, whichever file it stands in; `told` is its `raw`."""
    whole: list[Any] = [device_id, at.timestamp(), told]
    return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()
