"""What the shops decide: who is called in which place, and how hours and closed days are written in files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time

from service.core.texts import plain

WEEKDAYS = "月火水木金土日"
NONE = "なし"
# The columns of files.
HEADERS = {
    "code": "店舗コード",
    "name": "店舗名",
    "phone": "電話番号",
    "mail": "メールアドレス",
    "contact_name": "担当者",
    "opens_at": "電話受付開始",
    "closes_at": "電話受付終了",
    "closed_weekdays": "定休日",
    "note": "備考",
    "services": "サービス:順番",
}
EVERY_DAY_CLOSED = "すべての曜日を定休日にすることはできません。電話をかけない店舗は、利用停止にしてください。"
CLOSES_FIRST = "電話受付の終了は、開始より後の時刻にしてください。"
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:時]([0-5]\d)(?::00)?分?|([01]?\d|2[0-3])時")
_BETWEEN = re.compile(r"[・、,，/\s]|曜日?|毎週")


def placed(there: Mapping[int, int], given: Mapping[int, int]) -> dict[int, int]:
    """Who stands where (id → place) once those given have the places they were given. Of the others only who stood in
    one of these moves, to the next place that is free: so a list that comes a second time finds what it said."""
    places = dict(given)
    staying = {one: place for one, place in there.items() if one not in given and place not in given.values()}
    places |= staying
    taken = set(places.values())
    for one, place in sorted(there.items(), key=lambda item: (item[1], item[0])):
        if one in places:
            continue
        while place in taken:
            place += 1
        places[one] = place
        taken.add(place)
    return places


def in_order(places: Mapping[int, int]) -> list[int]:
    """From the first to the last; of two in one place, the older one comes first."""
    return sorted(places, key=lambda one: (places[one], one))


def closed_days(text: str) -> list[int]:
    """水, 水・日 or 水曜日、日曜日 as numbers, 1 being Monday. Raises ValueError in words."""
    typed = plain(text)
    if typed in (NONE, "無休", "年中無休"):
        return []
    days = [day for day in _BETWEEN.sub("", typed.replace("曜日", "曜")) if day]
    if not days or any(day not in WEEKDAYS for day in days):
        raise ValueError("曜日を「水・日」のように入力してください。定休日がないときは「なし」と入力します。")
    return sorted({WEEKDAYS.index(day) + 1 for day in days})


def shown_days(days: Sequence[int]) -> str:
    return "・".join(WEEKDAYS[day - 1] for day in days) or NONE


def clock(text: str) -> time:
    """9:00, 09:00 or 9時. Raises ValueError in words."""
    found = _CLOCK.fullmatch(plain(text))
    if not found:
        raise ValueError("時刻を「9:00」のように入力してください。")
    return time(int(found[1] or found[3]), int(found[2] or 0))


def shown_clock(moment: time) -> str:
    return f"{moment.hour}:{moment.minute:02}"


def places_asked(text: str, known: Mapping[str, str]) -> dict[str, int]:
    """花束:1、ケーキ:2 as codes and places; `known` has the codes by all words that may be meant. Raises ValueError in
    words."""
    if plain(text) == NONE:
        return {}
    found: dict[str, int] = {}
    for one in filter(None, (part.strip() for part in re.split("[、,，\n]", text))):
        word, _, number = one.replace("：", ":").rpartition(":")
        if not re.fullmatch(r"[1-9][0-9]{0,4}", plain(number)):
            raise ValueError(f"「{one}」は、サービスと順番を「花束:1」のように入力してください（順番は1から99999）。")
        code = known.get(word.strip())
        if code is None:
            raise ValueError(
                f"「{word.strip()}」というサービスはありません。「サービス・料金」の名前かコードで入力してください。"
            )
        if code in found:
            raise ValueError(f"「{word.strip()}」が2回書かれています。")
        found[code] = int(plain(number))
    return found


def shown_places(places: Mapping[str, int], names: Mapping[str, str]) -> str:
    """`names`: the word for each code."""
    return "、".join(f"{names.get(code, code)}:{place}" for code, place in places.items()) or NONE


def words_for(services: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Code → the word that stands for it in files: its name, unless two have the same."""
    names = [name for _, name in services]
    return {code: name if names.count(name) == 1 else code for code, name in services}
