"""Rules of shops: the places in the order of calls, and the notation of hours and closed days in files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import time

from service.core.values.texts import half_width

WEEKDAYS = "月火水木金土日"
NONE = "なし"
# Column headers of import and export files.
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
ALL_DAYS_CLOSED = "すべての曜日を定休日にすることはできません。電話をかけない店舗は、利用停止にしてください。"
CLOSES_BEFORE_OPENING = "電話受付の終了は、開始より後の時刻にしてください。"
_CLOCK = re.compile(r"([01]?\d|2[0-3])[:時]([0-5]\d)(?::00)?分?|([01]?\d|2[0-3])時")
_SEPARATORS = re.compile(r"[・、,，/\s]|曜日?|毎週")


def merge_places(current: Mapping[int, int], new: Mapping[int, int]) -> dict[int, int]:
    """Merges new places into the current ones (id → place). A shop whose place is taken by a new one moves to the next
    free place; all others stay. Importing the same file again therefore changes nothing."""
    places = dict(new)
    unchanged = {key: place for key, place in current.items() if key not in new and place not in new.values()}
    places |= unchanged
    taken = set(places.values())
    for key, place in sorted(current.items(), key=lambda item: (item[1], item[0])):
        if key in places:
            continue
        while place in taken:
            place += 1
        places[key] = place
        taken.add(place)
    return places


def ordered_ids(places: Mapping[int, int]) -> list[int]:
    """Ids in the order of places; of two in the same place, the lower id comes first."""
    return sorted(places, key=lambda key: (places[key], key))


def parse_closed_days(text: str) -> list[int]:
    """Parses 水, 水・日 or 水曜日、日曜日 to ISO weekdays, 1 is Monday. Raises ValueError with a message for users."""
    normalized = half_width(text)
    if normalized in (NONE, "無休", "年中無休"):
        return []
    days = [day for day in _SEPARATORS.sub("", normalized.replace("曜日", "曜")) if day]
    if not days or any(day not in WEEKDAYS for day in days):
        raise ValueError("曜日を「水・日」のように入力してください。定休日がないときは「なし」と入力します。")
    return sorted({WEEKDAYS.index(day) + 1 for day in days})


def format_closed_days(days: Sequence[int]) -> str:
    return "・".join(WEEKDAYS[day - 1] for day in days) or NONE


def parse_clock(text: str) -> time:
    """Parses 9:00, 09:00 or 9時. Raises ValueError with a message for users."""
    match = _CLOCK.fullmatch(half_width(text))
    if not match:
        raise ValueError("時刻を「9:00」のように入力してください。")
    return time(int(match[1] or match[3]), int(match[2] or 0))


def format_clock(value: time) -> str:
    return f"{value.hour}:{value.minute:02}"


def parse_places(text: str, codes_by_label: Mapping[str, str]) -> dict[str, int]:
    """Parses 花束:1、ケーキ:2 to codes and places. `codes_by_label`: the code of each accepted label. Raises ValueError
    with a message for users."""
    if half_width(text) == NONE:
        return {}
    places: dict[str, int] = {}
    for entry in filter(None, (part.strip() for part in re.split("[、,，\n]", text))):
        label, _, number = entry.replace("：", ":").rpartition(":")
        if not re.fullmatch(r"[1-9][0-9]{0,4}", half_width(number)):
            raise ValueError(f"「{entry}」は、サービスと順番を「花束:1」のように入力してください（順番は1から99999）。")
        code = codes_by_label.get(label.strip())
        if code is None:
            raise ValueError(
                f"「{label.strip()}」というサービスはありません。「サービス・料金」の名前かコードで入力してください。"
            )
        if code in places:
            raise ValueError(f"「{label.strip()}」が2回書かれています。")
        places[code] = int(half_width(number))
    return places


def format_places(places: Mapping[str, int], names: Mapping[str, str]) -> str:
    """`names`: the label of each code."""
    return "、".join(f"{names.get(code, code)}:{place}" for code, place in places.items()) or NONE


def service_labels(services: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Code → label of the service in files: its name, or its code when two services have the same name."""
    names = [name for _, name in services]
    return {code: name if names.count(name) == 1 else code for code, name in services}
