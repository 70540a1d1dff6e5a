"""What the demo's shops said on the telephone, as the vendor tells of a call: the product reads it as any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from service.core.values.times import TOKYO, WEEKDAYS

ASSISTANT, SHOP = "assistant", "user"
FIRST = "お忙しいところ恐れ入ります。お客様のご予約を代行しております、QRVの自動音声でございます。"
# Calls to which nobody came: the vendor's status, and seconds that they last.
NOBODY: Mapping[str, tuple[str, int]] = {"no_answer": ("no-answer", 30), "busy": ("busy", 4), "failed": ("failed", 2)}
OKS = (
    "はい、{when}、大丈夫です。お取りします。",
    "ありがとうございます。{when}でご用意いたします。",
    "{when}ですね。承りました。",
    "はい、その日時でしたらお受けできます。{when}でお待ちしております。",
)
NOS = (
    "申し訳ございません。その日はご予約がいっぱいでして。",
    "あいにくその時間帯は埋まっております。",
    "すみません、その日は配達が重なっていて、お受けできません。",
    "その日は臨時でお休みをいただいております。申し訳ございません。",
)
LATERS = (
    "店長が戻らないと分からないので、後で連絡します。",
    "材料の入荷しだいですね。ちょっと検討させてください。",
    "今すぐにはお返事できないので、折り返しでもよろしいですか。",
)


@dataclass(frozen=True)
class Wish:
    """What the shop is asked for."""

    shop: str
    staff: Sequence[str]
    what: str
    starts_at: datetime
    customer: str
    wishes: str = ""


def told(answer: str, wish: Wish, chance: Random) -> dict[str, Any]:
    """The vendor's account of a call that is over; `answer` is one of `events.rules.Answer` that a call ends with."""
    if answer in NOBODY:
        status, seconds = NOBODY[answer]
        return {"status": status, "completed": True, "call_length": seconds / 60, "transcripts": [], "analysis": None}
    if answer == "voicemail":
        lines = [
            (SHOP, f"お電話ありがとうございます。{wish.shop}です。ただいま電話に出ることができません。"),
            (SHOP, "発信音のあとに、お名前とご用件をお話しください。"),
        ]
        return _account(lines, {}, "留守番電話につながったため、伝言を残さずに電話を切りました。", 18, "voicemail")
    lines = [
        (SHOP, f"お電話ありがとうございます。{wish.shop}でございます。"),
        (ASSISTANT, FIRST),
        (SHOP, chance.choice(("はい、どのようなご用件でしょうか。", "はい。", "お世話になっております。"))),
        (ASSISTANT, f"{_when(wish.starts_at)}から、{wish.what}を1件お願いできますでしょうか。"
         f"お名前は{wish.customer}様です。"),
    ]  # fmt: skip
    if wish.wishes:
        lines.append((ASSISTANT, f"ご要望は「{wish.wishes}」とのことです。"))
    analysis, summary = _SAID[answer](lines, wish, chance)
    seconds = 22 + 6 * len(lines) + chance.randrange(25)
    return _account(lines, analysis, summary, seconds)


def _account(
    lines: list[tuple[str, str]], analysis: dict[str, str], summary: str, seconds: int, by: str = "human"
) -> dict[str, Any]:
    return {
        "status": "completed",
        "completed": True,
        "answered_by": by,
        "call_length": seconds / 60,
        "call_ended_by": "ASSISTANT",
        "transcripts": [{"user": who, "text": text} for who, text in lines],
        "analysis": analysis,
        "summary": summary,
    }


_Said = tuple[dict[str, str], str]
Lines = list[tuple[str, str]]


def _ok(lines: Lines, wish: Wish, chance: Random) -> _Said:
    quote, staff = chance.choice(OKS).format(when=_when(wish.starts_at)), chance.choice(wish.staff)
    lines += [
        (SHOP, quote),
        (ASSISTANT, "ありがとうございます。恐れ入りますが、ご担当の方のお名前を伺えますでしょうか。"),
        (SHOP, f"{staff}です。"),
        (ASSISTANT, f"{staff}様ですね。それではよろしくお願いいたします。失礼いたします。"),
    ]
    time = f"{wish.starts_at.astimezone(TOKYO):%Y-%m-%dT%H:%M}"
    analysis = {"answer": "ok", "quote": quote, "staff_name": staff, "confirmed_time": time}
    return analysis, f"店舗は{_when(wish.starts_at)}の予約を受けました。担当は{staff}様です。"


def _refused(lines: Lines, wish: Wish, chance: Random) -> _Said:
    quote = chance.choice(NOS)
    lines += [
        (SHOP, quote),
        (ASSISTANT, "承知しました。お忙しいところありがとうございました。失礼いたします。"),
    ]
    return {"answer": "refused", "quote": quote}, f"店舗は{_when(wish.starts_at)}の予約を断りました。"


def _vague(lines: Lines, wish: Wish, chance: Random) -> _Said:
    quote = chance.choice(LATERS)
    lines += [
        (SHOP, quote),
        (ASSISTANT, "では、お電話を切らせていただきます。ご連絡お待ちしております。"),
    ]
    return {"answer": "vague", "quote": quote}, "店舗は回答を保留し、後で連絡すると述べました。"


def _change_requested(lines: Lines, wish: Wish, chance: Random) -> _Said:
    later = wish.starts_at + timedelta(minutes=30)
    local = later.astimezone(TOKYO)
    quote = f"その時間は立て込んでおりまして、{_clock(local)}からでしたらお受けできます。"
    lines += [
        (SHOP, quote),
        (ASSISTANT, "承知しました。確認して折り返しご連絡いたします。"),
        (SHOP, "はい、お願いします。"),
    ]
    change = f"開始時間を{_clock(local)}に変更"
    analysis = {"answer": "change_requested", "quote": quote, "requested_change": change}
    return analysis, f"店舗は変更を希望しました（{change}）。"


_SAID: Mapping[str, Callable[[Lines, Wish, Random], _Said]] = {
    "ok": _ok,
    "refused": _refused,
    "vague": _vague,
    "change_requested": _change_requested,
}


def _when(moment: datetime) -> str:
    local = moment.astimezone(TOKYO)
    return f"{local.month}月{local.day}日（{WEEKDAYS[local.weekday()]}）の{_clock(local)}"


def _clock(local: datetime) -> str:
    return f"{local.hour}時{f'{local.minute}分' if local.minute else ''}"
