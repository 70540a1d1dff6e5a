"""The demo's agencies: the document's own three, with what they applied for in the last weeks."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.agencies.models import Agency
from service.core.access.identity import Membership, User
from service.demo import agencies_past

ACCOUNTS = {
    "agencies-admin": ("申込 管子", "admin"),
    "agencies-operator": ("投入 早苗", "operator"),
    "agencies-sales-a": ("営業 太郎", "sales"),
    "agencies-sales-a2": ("営業 花子", "sales"),
    "agencies-sales-b": ("外回 次郎", "sales"),
    "agencies-sales-c": ("田中 三郎", "sales"),
}
AGENCIES = (
    ("AAA", "株式会社AAA代理店", "SHP0001", "AAA紹介店", "青木 明", "03-0150-0001", "aaa@example.jp"),
    ("BBB", "株式会社BBB代理店", "SHP0002", "BBB紹介店", "馬場 文子", "06-9950-0002", "bbb@example.jp"),
    ("TANAKA", "個人 田中代理店", "SHP0003", "田中紹介店", "田中 三郎", "052-050-0003", "tanaka@example.jp"),
)
_COLUMNS = ("code", "name", "referral_shop_code", "referral_shop_name", "contact_name", "phone", "mail_address")
WORKS_FOR = {
    "agencies-sales-a": ("AAA", "LCK0A0AY", "L10001"),
    "agencies-sales-a2": ("AAA", "LCK0A0AZ", "L10002"),
    "agencies-sales-b": ("BBB", "LCK0B0BY", "L20001"),
    "agencies-sales-c": ("TANAKA", "LCK0C0CY", "L30001"),
}


def fill(db: Session) -> None:
    is_new = not db.scalars(select(Agency.id).limit(1)).all()
    if is_new:
        for values in AGENCIES:
            db.add(Agency(**dict(zip(_COLUMNS, values, strict=True))))
        db.flush()
    _place_sales(db)
    if is_new:
        ids = dict(db.execute(select(User.login_id, User.id).where(User.login_id.in_(ACCOUNTS))).all())
        codes = dict(db.execute(select(Agency.code, Agency.id)).all())
        sales = {
            code: [ids[login_id] for login_id, (place, _, _) in WORKS_FOR.items() if place == code] for code in codes
        }
        agencies_past.fill(db, codes, sales, ids[agencies_past.OPERATOR])


def _place_sales(db: Session) -> None:
    """Sales belong to an agency, whose id is known only now."""
    ids = dict(db.execute(select(Agency.code, Agency.id)).all())
    for login_id, (code, staff_code, l_code) in WORKS_FOR.items():
        user = db.scalars(select(User).where(User.login_id == login_id)).one()
        if not any(held.area == "agencies" for held in user.memberships):
            details = {"sales_staff_code": staff_code, "l_code": l_code}
            user.memberships.append(Membership(area="agencies", role="sales", tenant_id=ids[code], details=details))
