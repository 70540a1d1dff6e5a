"""How the audit log names the nurseries' things."""

from __future__ import annotations

from sqlalchemy import case, func, select

from service.core.audit.names import Named, local_text
from service.entries.archives.models import Archive
from service.entries.models import Card, Child, EntryExitLog, Nursery, Parent, Station
from service.entries.rules import EntryType

_direction = case(dict(EntryType.labels()), value=EntryExitLog.entry_type, else_="")

AUDIT_NAMES = {
    "nursery": Named(select(Nursery.id, Nursery.name)),
    "parent": Named(select(Parent.id, Parent.name), ("parents",)),
    "child": Named(select(Child.id, Child.name), ("children",)),
    # Of a child's day; the day is in the entry.
    "attendance": Named(select(Child.id, func.concat(Child.name, "の"))),
    "log": Named(
        select(
            EntryExitLog.id,
            func.concat(Parent.name, " ", local_text(EntryExitLog.timestamp), "（", _direction, "）の"),
        ).join(Parent, Parent.id == EntryExitLog.parent_id)
    ),
    "station": Named(
        select(Station.id, func.concat_ws(" ", Nursery.name, func.nullif(Station.label, ""))).join(
            Nursery, Nursery.id == Station.nursery_id
        )
    ),
    "card": Named(select(Card.id, func.concat(Parent.name, "の")).join(Parent, Parent.id == Card.parent_id)),
    "archive": Named(
        select(
            func.concat(Archive.nursery_id, "-", func.to_char(Archive.month, "YYYY-MM")),
            func.concat(Nursery.name, " ", func.to_char(Archive.month, 'YYYY"年"FMMM"月の"')),
        ).join(Nursery, Nursery.id == Archive.nursery_id)
    ),
}
