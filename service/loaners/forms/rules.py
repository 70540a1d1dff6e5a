"""Questions: which appear when, and what an answer may be. A question's key says where it belongs: `1-*` is asked when
0-4 is 1, `3-2-*` when 0-4 is 3 and 3-0 is 2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from service.loaners.rules import DEPOSIT_WORDS, HELD_WORDS, STATUS_WORDS

STATUS, HELD, DEPOSIT = "0-4", "1-4", "deposit"
KEY = re.compile(r"[0-9]+(-[0-9]+){1,2}")
LONGEST_ANSWER = 1000
# Of a question that leads to others: 3-0 to 3-1-*, 3-2-*…
NESTING = "0"


class Type(StrEnum):
    TEXT = "text"
    LONG = "long"
    CHOICE = "choice"
    DATE = "date"
    NUMBER = "number"
    MAIL = "mail"


class Meaning(StrEnum):
    """What the product itself understands of an answer, whatever its key is in that version."""

    PERSON = "person"
    STATUS = "status"
    HELD = "held"
    DEPOSIT = "deposit"
    BORROWER = "borrower"
    USER = "user"
    LOAN_NUMBER = "loan_number"
    LENT_ON = "lent_on"
    DUE_ON = "due_on"
    ASSET_NUMBER = "asset_number"
    RECEIPT = "receipt"
    NOTE = "note"


class State(StrEnum):
    """Of the published ones the newest is filled in; one for imports only never is."""

    DRAFT = "draft"
    CURRENT = "current"
    RETIRED = "retired"
    IMPORT_ONLY = "import_only"


TYPE_WORDS = {
    Type.TEXT: "1行の文字",
    Type.LONG: "複数行の文字",
    Type.CHOICE: "選択肢から1つ",
    Type.DATE: "日付",
    Type.NUMBER: "数字",
    Type.MAIL: "メールアドレス",
}
MEANING_WORDS = {
    Meaning.PERSON: "担当者",
    Meaning.STATUS: "ステータス",
    Meaning.HELD: "ユーザー機の預り有無",
    Meaning.DEPOSIT: "預り機のステータス",
    Meaning.BORROWER: "貸出先",
    Meaning.USER: "ユーザー情報",
    Meaning.LOAN_NUMBER: "貸出番号",
    Meaning.LENT_ON: "貸出日",
    Meaning.DUE_ON: "返却予定日",
    Meaning.ASSET_NUMBER: "資産管理番号",
    Meaning.RECEIPT: "お預かり証No.",
    Meaning.NOTE: "備考",
}


@dataclass(frozen=True)
class Condition:
    """Holds while the answer to the question `key` is one of these."""

    key: str
    one_of: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    key: str
    title: str
    type: Type = Type.TEXT
    choices: tuple[str, ...] = ()
    required: bool = False
    help: str = ""
    meaning: Meaning | None = None
    when: tuple[Condition, ...] = field(default=())

    @property
    def header(self) -> str:
        """As a column of the document's sheets: 0-4.ステータス."""
        return self.title if self.key == DEPOSIT else f"{self.key}.{self.title}"


def read(stored: Sequence[Mapping[str, Any]]) -> list[Question]:
    """Questions as `write` stored them."""
    return [
        Question(
            key=one["key"],
            title=one["title"],
            type=Type(one["type"]),
            choices=tuple(one.get("choices", ())),
            required=one.get("required", False),
            help=one.get("help", ""),
            meaning=Meaning(one["meaning"]) if one.get("meaning") else None,
            when=tuple(Condition(c["key"], tuple(c["one_of"])) for c in one.get("when", ())),
        )
        for one in stored
    ]


def write(questions: Sequence[Question]) -> list[dict[str, Any]]:
    return [
        {
            "key": one.key,
            "title": one.title,
            "type": one.type.value,
            "choices": list(one.choices),
            "required": one.required,
            "help": one.help,
            "meaning": one.meaning.value if one.meaning else None,
            "when": [{"key": c.key, "one_of": list(c.one_of)} for c in one.when],
        }
        for one in questions
    ]


def prefix(choice: str | None) -> str:
    """The number before the dot of a choice: 3 of 3.社内にて保管中; "" of anything else."""
    found = re.match(r"([0-9]+)\.", choice or "")
    return found[1] if found else ""


def conditions(key: str) -> dict[str, str]:
    """What a key itself asks for: question → the number its answer has to begin with."""
    parts = key.split("-")
    if not KEY.fullmatch(key) or parts[0] == "0":
        return {}
    wanted = {STATUS: parts[0]}
    if len(parts) == 3:
        wanted[f"{parts[0]}-{NESTING}"] = parts[1]
    return wanted


def shown_when(questions: Sequence[Question], question: Question) -> list[dict[str, Any]]:
    """All conditions of a question, those of its key included, as answers: all have to hold."""
    choices = {one.key: one.choices for one in questions}
    own = [
        Condition(key, tuple(choice for choice in choices.get(key, ()) if prefix(choice) == number))
        for key, number in conditions(question.key).items()
    ]
    return [{"key": one.key, "one_of": list(one.one_of)} for one in (*own, *question.when)]


def appears(question: Question, answers: Mapping[str, str]) -> bool:
    """Whether it is asked, these being the answers so far."""
    if any(prefix(answers.get(key)) != number for key, number in conditions(question.key).items()):
        return False
    return all(answers.get(condition.key) in condition.one_of for condition in question.when)


def asked(questions: Sequence[Question], answers: Mapping[str, str]) -> list[Question]:
    """Those that appear, in their order. An answer to one that does not appear decides nothing about others."""
    found: list[Question] = []
    valid: dict[str, str] = {}
    for question in questions:
        if appears(question, valid):
            found.append(question)
            if question.key in answers:
                valid[question.key] = answers[question.key]
    return found


def checked(questions: Sequence[Question], answers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The answers to what is asked, without blanks around them and without empty ones, and what is wrong with others by
    question: in words."""
    kept: dict[str, str] = {}
    wrong: dict[str, str] = {}
    given = {key: value.strip() for key, value in answers.items()}
    for question in asked(questions, given):
        value = given.get(question.key, "")
        if not value:
            if question.required:
                verb = "選んで" if question.type is Type.CHOICE else "入力して"
                wrong[question.key] = f"「{question.title}」を{verb}ください。"
        elif refusal := _refusal(question, value):
            wrong[question.key] = refusal
        else:
            kept[question.key] = value
    return kept, wrong


def _refusal(question: Question, value: str) -> str | None:
    if len(value) > LONGEST_ANSWER:
        return f"「{question.title}」は{LONGEST_ANSWER}文字以内で入力してください。"
    if question.type is Type.CHOICE and value not in question.choices:
        return f"「{question.title}」は選択肢から選んでください。"
    if question.type is Type.DATE and not _is_date(value):
        return f"「{question.title}」は日付（例: 2026/11/21）で入力してください。"
    if question.type is Type.NUMBER and not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", value):
        return f"「{question.title}」は数字で入力してください。"
    if question.type is Type.MAIL and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        return f"「{question.title}」はメールアドレスの形で入力してください。"
    return None


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def carried(questions: Sequence[Question], before: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """A whole picture: what was given, and of what was answered before what still belongs to the same status and was
    not asked now. Nothing is emptied by a form that does not know the question."""
    known = {question.key for question in questions}
    kept = {
        key: value
        for key, value in before.items()
        if key not in known
        and all(prefix(given.get(asked_for)) == number for asked_for, number in conditions(key).items())
    }
    return kept | dict(given)


def prefilled(questions: Sequence[Question], then: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """What a form begins with: what was answered to the same questions before, in whichever version. A key may have
    stood for something else then; what the product understands is found by its meaning."""
    titles = {one.key: (one.title, one.meaning) for one in then}
    by_meaning = meant(then, answers)
    found: dict[str, str] = {}
    for question in questions:
        same = titles.get(question.key) == (question.title, question.meaning)
        value = answers.get(question.key) if same else question.meaning and by_meaning.get(question.meaning)
        if value and _refusal(question, value) is None:
            found[question.key] = value
    return found


def labelled(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """Answers under the words of their form, in its order; those that it does not ask keep their key."""
    known = {one.header: answers[one.key] for one in questions if one.key in answers}
    asked_for = {one.key for one in questions}
    return known | {key: value for key, value in answers.items() if key not in asked_for}


def differences(old: Sequence[Question], new: Sequence[Question]) -> list[str]:
    """What is different in the new version, in words; of a question that is in both, from what to what."""
    before, after = {one.key: one for one in old}, {one.key: one for one in new}
    words = [f"質問「{one.header}」が増えました。" for one in new if one.key not in before]
    words += [f"質問「{one.header}」がなくなりました。" for one in old if one.key not in after]
    words += [
        f"質問「{one.header}」が変わりました（{'、'.join(_changes(one, after[one.key]))}）。"
        for one in old
        if one.key in after and one != after[one.key]
    ]
    if [key for key in before if key in after] != [key for key in after if key in before]:
        words.append("質問の順序が変わりました。")
    return words


def _changes(old: Question, new: Question) -> list[str]:
    """By the names that the editor has for a question's parts."""
    words = [
        f"{name}: {before} → {now}"
        for (name, before), now in zip(_parts(old).items(), _parts(new).values(), strict=True)
        if before != now
    ]
    gone = [one for one in old.choices if one not in new.choices]
    added = [one for one in new.choices if one not in old.choices]
    words += [f"選択肢から「{'」「'.join(gone)}」を削除"] if gone else []
    words += [f"選択肢に「{'」「'.join(added)}」を追加"] if added else []
    stayed = [one for one in old.choices if one in new.choices]
    if stayed != [one for one in new.choices if one in old.choices]:
        words.append("選択肢の順序")
    return words


def _parts(question: Question) -> dict[str, str]:
    when = "、".join(f"{one.key}が「{'」か「'.join(one.one_of)}」" for one in question.when)
    return {
        "質問": f"「{question.title}」",
        "回答の形式": TYPE_WORDS[question.type],
        "回答": "必須" if question.required else "任意",
        "説明文": f"「{question.help}」" if question.help else "なし",
        "ほかの表示条件": f"{when}のとき" if when else "なし",
        "意味": MEANING_WORDS[question.meaning] if question.meaning else "なし",
    }


def meant(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[Meaning, str]:
    """The answers that the product understands."""
    return {one.meaning: answers[one.key] for one in questions if one.meaning and one.key in answers}


def definition_refusals(questions: Sequence[Question]) -> list[str]:
    """Why these can be no form, in words; none when they can."""
    wrong: list[str] = []
    seen: dict[str, Question] = {}
    for question in questions:
        if question.key != DEPOSIT and not KEY.fullmatch(question.key):
            wrong.append(f"「{question.key}」は質問番号の形（例: 1-4、3-1-2）ではありません。")
        if question.key in seen:
            wrong.append(f"質問番号「{question.key}」が2つあります。")
        if question.type is Type.CHOICE and not question.choices:
            wrong.append(f"「{question.header}」に選択肢がありません。")
        if len(set(question.choices)) < len(question.choices):
            wrong.append(f"「{question.header}」に同じ選択肢が2つあります。")
        needed = [*conditions(question.key), *(condition.key for condition in question.when)]
        wrong += [
            f"「{question.header}」より前に、条件となる質問「{key}」が必要です。" for key in needed if key not in seen
        ]
        for condition in question.when:
            strange = set(condition.one_of) - set(seen[condition.key].choices if condition.key in seen else ())
            wrong += [f"「{question.header}」の条件「{value}」は選択肢にありません。" for value in sorted(strange)]
        seen[question.key] = question
    return wrong + _fixed_refusals(seen) + _meaning_refusals(questions)


def _fixed_refusals(known: Mapping[str, Question]) -> list[str]:
    """The product itself reads these three."""
    fixed = {
        STATUS: (Meaning.STATUS, tuple(STATUS_WORDS.values())),
        HELD: (Meaning.HELD, tuple(HELD_WORDS.values())),
        DEPOSIT: (Meaning.DEPOSIT, tuple(words.title for words in DEPOSIT_WORDS.values())),
    }
    wrong: list[str] = []
    for key, (meaning, choices) in fixed.items():
        question = known.get(key)
        if question is None:
            wrong.append(f"質問「{key}」は必須です。選択肢は「{'」「'.join(choices)}」にしてください。")
        elif (question.type, question.choices, question.meaning) != (Type.CHOICE, choices, meaning):
            wrong.append(
                f"質問「{question.header}」は、選択肢「{'」「'.join(choices)}」、"
                f"意味「{MEANING_WORDS[meaning]}」のままにしてください。"
            )
    if STATUS in known and (not known[STATUS].required or known[STATUS].when):
        wrong.append("質問「0-4」は、表示条件のない必須の質問にしてください。")
    return wrong


def _meaning_refusals(questions: Sequence[Question]) -> list[str]:
    wrong: list[str] = []
    for meaning, word in MEANING_WORDS.items():
        of_this = [one for one in questions if one.meaning is meaning]
        if len(of_this) > 1:
            wrong.append(f"意味「{word}」の質問が2つ以上あります。1つにしてください。")
        wrong += [
            f"「{one.header}」の形式は日付にしてください（意味が「{word}」のため）。"
            for one in of_this
            if meaning in (Meaning.LENT_ON, Meaning.DUE_ON) and one.type is not Type.DATE
        ]
    return wrong
