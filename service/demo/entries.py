"""The demo's nurseries: the document's own people, and a few more, with four weeks of comings and goings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core import holidays
from service.core.access.identity import Membership, User, hash_password
from service.core.database.clock import app_now
from service.core.values.times import at, local_date
from service.entries.attendance.models import Attendance
from service.entries.models import Child, EntryExitLog, Guardianship, Nursery, Parent

STATION_PASSWORD = "password123"
NURSERY, OTHER_NURSERY = "ABC123", "HMW456"

ACCOUNTS = {
    "entries-admin": ("入退 管子", "admin"),
    "entries-manager": ("桜田 園子", "nursery_admin"),
    "entries-manager-b": ("日向 園美", "nursery_admin"),
    "entries-staff": ("桜井 保", "staff"),
    "entries-staff-b": ("向井 葵", "staff"),
}
WORKS_AT = {
    "entries-manager": NURSERY,
    "entries-manager-b": OTHER_NURSERY,
    "entries-staff": NURSERY,
    "entries-staff-b": OTHER_NURSERY,
}

# Parent -> number on the card, kana, children with kana and class.
Family = tuple[str, int, str, tuple[tuple[str, str, str], ...]]
FAMILIES: Sequence[Family] = (
    (
        "山田花子",
        123456,
        "やまだはなこ",
        (("山田太郎", "やまだたろう", "きりん組"), ("山田次郎", "やまだじろう", "ひよこ組")),
    ),
    ("佐藤太郎", 123457, "さとうたろう", (("佐藤次郎", "さとうじろう", "うさぎ組"),)),
    ("鈴木次郎", 123458, "すずきじろう", (("鈴木花子", "すずきはなこ", "きりん組"),)),
    ("高橋美咲", 123459, "たかはしみさき", (("高橋蓮", "たかはしれん", "うさぎ組"),)),
    ("田中健一", 123460, "たなかけんいち", (("田中陽葵", "たなかひまり", "ひよこ組"),)),
    ("伊藤由美", 123461, "いとうゆみ", (("伊藤湊", "いとうみなと", "きりん組"), ("伊藤凛", "いとうりん", "うさぎ組"))),
    ("渡辺誠", 123462, "わたなべまこと", (("渡辺結菜", "わたなべゆいな", "ひよこ組"),)),
    ("中村彩", 123463, "なかむらあや", (("中村蒼", "なかむらあおい", "うさぎ組"),)),
    ("小林直樹", 123464, "こばやしなおき", (("小林紬", "こばやしつむぎ", "きりん組"),)),
    ("加藤恵", 123465, "かとうめぐみ", (("加藤朝陽", "かとうあさひ", "ひよこ組"),)),
    ("吉田真央", 123466, "よしだまお", (("吉田芽依", "よしだめい", "うさぎ組"),)),
    ("山本大輔", 123467, "やまもとだいすけ", (("山本樹", "やまもといつき", "きりん組"),)),
)
OTHER_FAMILIES: Sequence[Family] = (
    ("松本さくら", 223456, "まつもとさくら", (("松本律", "まつもとりつ", "たんぽぽ組"),)),
    ("井上翔", 223457, "いのうえしょう", (("井上咲", "いのうえさき", "すみれ組"),)),
)
DAYS_BACK = 28


def fill(db: Session) -> None:
    if not db.scalars(select(Nursery.id).limit(1)).all():
        hashed = hash_password(STATION_PASSWORD)
        for name, code, families in (
            ("さくら保育園", NURSERY, FAMILIES),
            ("ひまわり保育園", OTHER_NURSERY, OTHER_FAMILIES),
        ):
            nursery = Nursery(name=name, code=code, station_password_hash=hashed)
            db.add(nursery)
            db.flush()
            _enrol(db, nursery, families)
            _scan_the_past(db, nursery)
    _place_staff(db)


def _enrol(db: Session, nursery: Nursery, families: Sequence[Family]) -> None:
    for name, number, kana, children in families:
        parent = Parent(
            id=number,
            nursery_id=nursery.id,
            name=name,
            kana=kana,
            phone_number=f"090-0000-{number % 10_000:04}",
            mail=f"parent{number}@example.com",
        )
        made = [
            Child(nursery_id=nursery.id, name=child, kana=child_kana, class_name=group)
            for child, child_kana, group in children
        ]
        db.add_all([parent, *made])
        db.flush()
        db.add_all(Guardianship(parent_id=parent.id, child_id=child.id, nursery_id=nursery.id) for child in made)
    db.flush()


def _scan_the_past(db: Session, nursery: Nursery) -> None:
    """Weekdays of four weeks, and today up to now: in from 7:30 to 9:15, out from 16:00 to 18:20."""
    now = app_now(db)
    chance = random.Random(nursery.code)
    parents = db.scalars(select(Parent.id).where(Parent.nursery_id == nursery.id).order_by(Parent.id)).all()
    today, closed = local_date(now), holidays.days(db)
    rows, notes = [], []
    for back in range(DAYS_BACK, -1, -1):
        day = today - timedelta(days=back)
        if day.weekday() >= 5 or day in closed:
            continue
        for parent_id in parents:
            if chance.random() < 0.05:
                notes.append((parent_id, day))
                continue
            came = _moment(day, time(7, 30), chance.gauss(45 * 60, 20 * 60), 105 * 60)
            # Once in a while somebody forgets to scan on leaving.
            fetched = (
                None if chance.random() < 0.03 else _moment(day, time(16), chance.gauss(75 * 60, 25 * 60), 140 * 60)
            )
            for kind, moment in (("Entry", came), ("Exit", fetched)):
                if moment is not None and moment <= now:
                    rows.append(
                        {
                            "parent_id": parent_id,
                            "nursery_id": nursery.id,
                            "entry_type": kind,
                            "timestamp": moment,
                            "created_at": moment,
                        }
                    )
    if rows:
        db.execute(insert(EntryExitLog), rows)
    found = db.execute(
        select(Guardianship.parent_id, Guardianship.child_id).where(Guardianship.nursery_id == nursery.id)
    )
    children = dict(found.all())
    db.add_all(
        Attendance(
            child_id=children[parent_id],
            day=day,
            nursery_id=nursery.id,
            presence="absent",
            note="風邪のため",
            updated_by="桜井 保",
        )
        for parent_id, day in notes
    )


def _moment(day: date, begins: time, seconds: float, most: int) -> datetime:
    return at(day, begins) + timedelta(seconds=round(min(max(seconds, 0), most)))


def _place_staff(db: Session) -> None:
    """Staff belong to a nursery, whose id is known only now."""
    ids = dict(db.execute(select(Nursery.code, Nursery.id)).all())
    for login_id, code in WORKS_AT.items():
        user = db.scalars(select(User).where(User.login_id == login_id)).one()
        if not any(held.area == "entries" for held in user.memberships):
            user.memberships.append(Membership(area="entries", role=ACCOUNTS[login_id][1], tenant_id=ids[code]))
