"""Questions: which ones appear when, and which answers are valid. A question's key includes conditions: `1-*` appears
when 0-4 is 1, `3-2-*` when 0-4 is 3 and 3-0 is 2."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from service.core.values.labels import Labelled
from service.loaners.rules import DEPOSIT_LABELS, HELD_LABELS, STATUS_LABELS

STATUS, HELD, DEPOSIT = "0-4", "1-4", "deposit"
KEY = re.compile(r"[0-9]+(-[0-9]+){1,2}")
MAX_ANSWER_LENGTH = 1000
# Last part of the key of a question that controls others: 3-0 controls 3-1-*, 3-2-*…
NESTING = "0"


class Type(Labelled):
    TEXT = "text", "1行の文字"
    LONG = "long", "複数行の文字"
    CHOICE = "choice", "選択肢から1つ"
    DATE = "date", "日付"
    NUMBER = "number", "数字"
    MAIL = "mail", "メールアドレス"


class Meaning(Labelled):
    """The meaning of an answer for the product, independent of the question's key in that version."""

    PERSON = "person", "担当者"
    STATUS = "status", "ステータス"
    HELD = "held", "ユーザー機の預り有無"
    DEPOSIT = "deposit", "預り機のステータス"
    BORROWER = "borrower", "貸出先"
    USER = "user", "ユーザー情報"
    LOAN_NUMBER = "loan_number", "貸出番号"
    LENT_ON = "lent_on", "貸出日"
    DUE_ON = "due_on", "返却予定日"
    ASSET_NUMBER = "asset_number", "資産管理番号"
    RECEIPT = "receipt", "お預かり証No."
    NOTE = "note", "備考"


class State(Labelled):
    """CURRENT is the newest published form; a form for imports only is never CURRENT."""

    DRAFT = "draft", "下書き"
    CURRENT = "current", "公開中"
    RETIRED = "retired", "以前の版"
    IMPORT_ONLY = "import_only", "取込専用"


@dataclass(frozen=True)
class Condition:
    """True while the answer to the question `key` is in `one_of`."""

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
        """The column header in the document's sheets: 0-4.ステータス."""
        return self.title if self.key == DEPOSIT else f"{self.key}.{self.title}"


def load_questions(stored: Sequence[Mapping[str, Any]]) -> list[Question]:
    """Questions from the JSON of `dump_questions`."""
    return [
        Question(
            key=question["key"],
            title=question["title"],
            type=Type(question["type"]),
            choices=tuple(question.get("choices", ())),
            required=question.get("required", False),
            help=question.get("help", ""),
            meaning=Meaning(question["meaning"]) if question.get("meaning") else None,
            when=tuple(Condition(c["key"], tuple(c["one_of"])) for c in question.get("when", ())),
        )
        for question in stored
    ]


def dump_questions(questions: Sequence[Question]) -> list[dict[str, Any]]:
    return [
        {
            "key": question.key,
            "title": question.title,
            "type": question.type.value,
            "choices": list(question.choices),
            "required": question.required,
            "help": question.help,
            "meaning": question.meaning.value if question.meaning else None,
            "when": [{"key": c.key, "one_of": list(c.one_of)} for c in question.when],
        }
        for question in questions
    ]


def choice_number(choice: str | None) -> str:
    """The number before the dot of a choice: 3 for 3.社内にて保管中; "" without a number."""
    match = re.match(r"([0-9]+)\.", choice or "")
    return match[1] if match else ""


def conditions(key: str) -> dict[str, str]:
    """The conditions in a key: question key → the number that its answer must begin with."""
    parts = key.split("-")
    if not KEY.fullmatch(key) or parts[0] == "0":
        return {}
    required = {STATUS: parts[0]}
    if len(parts) == 3:
        required[f"{parts[0]}-{NESTING}"] = parts[1]
    return required


def shown_when(questions: Sequence[Question], question: Question) -> list[dict[str, Any]]:
    """All conditions of a question, those of its key included. All must be true."""
    choices = {other.key: other.choices for other in questions}
    from_key = [
        Condition(key, tuple(choice for choice in choices.get(key, ()) if choice_number(choice) == number))
        for key, number in conditions(question.key).items()
    ]
    return [{"key": condition.key, "one_of": list(condition.one_of)} for condition in (*from_key, *question.when)]


def appears(question: Question, answers: Mapping[str, str]) -> bool:
    """Whether the question appears, given the answers so far."""
    if any(choice_number(answers.get(key)) != number for key, number in conditions(question.key).items()):
        return False
    return all(answers.get(condition.key) in condition.one_of for condition in question.when)


def visible_questions(questions: Sequence[Question], answers: Mapping[str, str]) -> list[Question]:
    """The questions that appear, in order. Answers to questions that do not appear are ignored."""
    shown: list[Question] = []
    shown_answers: dict[str, str] = {}
    for question in questions:
        if appears(question, shown_answers):
            shown.append(question)
            if question.key in answers:
                shown_answers[question.key] = answers[question.key]
    return shown


def check_answers(questions: Sequence[Question], answers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Valid answers to the questions that appear, stripped and without empty ones; and error messages by question
    key."""
    valid: dict[str, str] = {}
    errors: dict[str, str] = {}
    stripped = {key: value.strip() for key, value in answers.items()}
    for question in visible_questions(questions, stripped):
        value = stripped.get(question.key, "")
        if not value:
            if question.required:
                verb = "選んで" if question.type is Type.CHOICE else "入力して"
                errors[question.key] = f"「{question.title}」を{verb}ください。"
        elif refusal := _refusal(question, value):
            errors[question.key] = refusal
        else:
            valid[question.key] = value
    return valid, errors


def _refusal(question: Question, value: str) -> str | None:
    if len(value) > MAX_ANSWER_LENGTH:
        return f"「{question.title}」は{MAX_ANSWER_LENGTH}文字以内で入力してください。"
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


def merge_answers(
    questions: Sequence[Question], previous: Mapping[str, str], answers: Mapping[str, str]
) -> dict[str, str]:
    """The new answers, plus previous answers of the same status to questions that this form does not have: a form
    without a question does not delete its answer."""
    keys = {question.key for question in questions}
    retained = {
        key: value
        for key, value in previous.items()
        if key not in keys
        and all(
            choice_number(answers.get(condition_key)) == number for condition_key, number in conditions(key).items()
        )
    }
    return retained | dict(answers)


def prefilled(
    questions: Sequence[Question], previous_questions: Sequence[Question], answers: Mapping[str, str]
) -> dict[str, str]:
    """Initial answers of a form: previous answers to the same questions, in any version. A key may belong to another
    question in the previous version; then the answer is found by its meaning."""
    titles = {question.key: (question.title, question.meaning) for question in previous_questions}
    by_meaning = answers_by_meaning(previous_questions, answers)
    result: dict[str, str] = {}
    for question in questions:
        is_same = titles.get(question.key) == (question.title, question.meaning)
        value = answers.get(question.key) if is_same else question.meaning and by_meaning.get(question.meaning)
        if value and _refusal(question, value) is None:
            result[question.key] = value
    return result


def answers_by_header(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """Answers by the headers of their form, in its order; answers without a question keep their key."""
    by_header = {question.header: answers[question.key] for question in questions if question.key in answers}
    keys = {question.key for question in questions}
    return by_header | {key: value for key, value in answers.items() if key not in keys}


def differences(old: Sequence[Question], new: Sequence[Question]) -> list[str]:
    """The differences of the new version as text; for a question in both, the old and new values."""
    before, after = {question.key: question for question in old}, {question.key: question for question in new}
    texts = [f"質問「{question.header}」が増えました。" for question in new if question.key not in before]
    texts += [f"質問「{question.header}」がなくなりました。" for question in old if question.key not in after]
    texts += [
        f"質問「{question.header}」が変わりました（{'、'.join(_changes(question, after[question.key]))}）。"
        for question in old
        if question.key in after and question != after[question.key]
    ]
    if [key for key in before if key in after] != [key for key in after if key in before]:
        texts.append("質問の順序が変わりました。")
    return texts


def _changes(old: Question, new: Question) -> list[str]:
    """With the field names of the editor."""
    texts = [
        f"{name}: {before} → {after}"
        for (name, before), after in zip(_parts(old).items(), _parts(new).values(), strict=True)
        if before != after
    ]
    removed = [choice for choice in old.choices if choice not in new.choices]
    added = [choice for choice in new.choices if choice not in old.choices]
    texts += [f"選択肢から「{'」「'.join(removed)}」を削除"] if removed else []
    texts += [f"選択肢に「{'」「'.join(added)}」を追加"] if added else []
    common = [choice for choice in old.choices if choice in new.choices]
    if common != [choice for choice in new.choices if choice in old.choices]:
        texts.append("選択肢の順序")
    return texts


def _parts(question: Question) -> dict[str, str]:
    when = "、".join(f"{condition.key}が「{'」か「'.join(condition.one_of)}」" for condition in question.when)
    return {
        "質問": f"「{question.title}」",
        "回答の形式": question.type.label,
        "回答": "必須" if question.required else "任意",
        "説明文": f"「{question.help}」" if question.help else "なし",
        "ほかの表示条件": f"{when}のとき" if when else "なし",
        "意味": question.meaning.label if question.meaning else "なし",
    }


def answers_by_meaning(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[Meaning, str]:
    """The answers that have a meaning for the product."""
    return {
        question.meaning: answers[question.key]
        for question in questions
        if question.meaning and question.key in answers
    }


def definition_refusals(questions: Sequence[Question]) -> list[str]:
    """Error messages for the questions of a form; empty when they are valid."""
    errors: list[str] = []
    by_key: dict[str, Question] = {}
    for question in questions:
        if question.key != DEPOSIT and not KEY.fullmatch(question.key):
            errors.append(f"「{question.key}」は質問番号の形（例: 1-4、3-1-2）ではありません。")
        if question.key in by_key:
            errors.append(f"質問番号「{question.key}」が2つあります。")
        if question.type is Type.CHOICE and not question.choices:
            errors.append(f"「{question.header}」に選択肢がありません。")
        if len(set(question.choices)) < len(question.choices):
            errors.append(f"「{question.header}」に同じ選択肢が2つあります。")
        needed = [*conditions(question.key), *(condition.key for condition in question.when)]
        errors += [
            f"「{question.header}」より前に、条件となる質問「{key}」が必要です。" for key in needed if key not in by_key
        ]
        for condition in question.when:
            unknown = set(condition.one_of) - set(by_key[condition.key].choices if condition.key in by_key else ())
            errors += [f"「{question.header}」の条件「{value}」は選択肢にありません。" for value in sorted(unknown)]
        by_key[question.key] = question
    return errors + _fixed_refusals(by_key) + _meaning_refusals(questions)


def _fixed_refusals(by_key: Mapping[str, Question]) -> list[str]:
    """Errors of the three questions that the product itself reads."""
    fixed = {
        STATUS: (Meaning.STATUS, tuple(STATUS_LABELS.values())),
        HELD: (Meaning.HELD, tuple(HELD_LABELS.values())),
        DEPOSIT: (Meaning.DEPOSIT, tuple(labels.title for labels in DEPOSIT_LABELS.values())),
    }
    errors: list[str] = []
    for key, (meaning, choices) in fixed.items():
        question = by_key.get(key)
        if question is None:
            errors.append(f"質問「{key}」は必須です。選択肢は「{'」「'.join(choices)}」にしてください。")
        elif (question.type, question.choices, question.meaning) != (Type.CHOICE, choices, meaning):
            errors.append(
                f"質問「{question.header}」は、選択肢「{'」「'.join(choices)}」、"
                f"意味「{meaning.label}」のままにしてください。"
            )
    if STATUS in by_key and (not by_key[STATUS].required or by_key[STATUS].when):
        errors.append("質問「0-4」は、表示条件のない必須の質問にしてください。")
    return errors


def _meaning_refusals(questions: Sequence[Question]) -> list[str]:
    errors: list[str] = []
    for meaning in Meaning:
        with_meaning = [question for question in questions if question.meaning is meaning]
        if len(with_meaning) > 1:
            errors.append(f"意味「{meaning.label}」の質問が2つ以上あります。1つにしてください。")
        errors += [
            f"「{question.header}」の形式は日付にしてください（意味が「{meaning.label}」のため）。"
            for question in with_meaning
            if meaning in (Meaning.LENT_ON, Meaning.DUE_ON) and question.type is not Type.DATE
        ]
    return errors
