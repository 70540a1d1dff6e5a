"""Which column of a file is which field: by what the person chose last time, else by label, name and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.core.imports.kinds import Kind
from service.core.problems import Invalid
from service.core.texts import normalised

# field → place of its column, from 0; None: this file has none.
Columns = dict[str, int | None]


def guess(kind: Kind, headers: Sequence[str], remembered: Mapping[str, str | None]) -> Columns:
    """`remembered` maps normalised headers to fields; None means that the person left that column out."""
    known = [normalised(header) for header in headers]
    found: Columns = dict.fromkeys((field.name for field in kind.fields), None)
    for place, header in enumerate(known):
        name = remembered.get(header)
        if name in found and found[name] is None:
            found[name] = place
    taken = {place for place in found.values() if place is not None}
    for field in kind.fields:
        names = {normalised(name) for name in (field.label, field.name, *field.aliases)}
        for place, header in enumerate(known):
            if found[field.name] is None and place not in taken and header in names and header not in remembered:
                found[field.name] = place
                taken.add(place)
    return found


def check(kind: Kind, headers: Sequence[str], mapping: Columns) -> Columns:
    """The mapping with every field in it.

    Raises:
        Invalid: an unknown field, a column that is not there or used twice, or no column for the natural key.
    """
    errors: list[tuple[str, str]] = []
    known = {field.name for field in kind.fields}
    errors += [(name, "使えない項目です。") for name in mapping if name not in known]
    whole: Columns = {field.name: mapping.get(field.name) for field in kind.fields}
    chosen = [place for place in whole.values() if place is not None]
    for field in kind.fields:
        place = whole[field.name]
        if place is not None and not 0 <= place < len(headers):
            errors.append((field.name, "ファイルにない列です。"))
        elif place is not None and chosen.count(place) > 1:
            errors.append((field.name, f"「{headers[place]}」の列が2つの項目に使われています。"))
    key = kind.field(kind.natural_key)
    if whole[key.name] is None:
        errors.append((key.name, f"「{key.label}」の列を選んでください。どの行が登録済みかを、この項目で判断します。"))
    if errors:
        raise Invalid("列の割り当てを直してください。", errors)
    return whole


def to_remember(headers: Sequence[str], mapping: Columns) -> dict[str, str | None]:
    by_place = {place: name for name, place in mapping.items() if place is not None}
    return {normalised(header): by_place.get(place) for place, header in enumerate(headers) if header}
