"""The table of files: who sent what for which purpose, whether it is in use, and when it expires."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    func,
    text,
    update,
)
from sqlalchemy import select as sql_select
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core import audit
from service.core.access.auth import Actor
from service.core.areas import areas
from service.core.database.clock import app_now
from service.core.database.session import Base, violates
from service.core.files.deposit import Deposit
from service.core.problems import Conflict, NotFound
from service.core.purposes import Purpose

# How long a file waits to be attached, and how long one that is no longer used can still be downloaded.
UNUSED_LIFETIME = timedelta(days=1)


class File(Base):
    """A file in the storage. Its content never changes; other content is another file."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("user_id", "client_id"),
        CheckConstraint("size > 0", name="size"),
        CheckConstraint("octet_length(sha256) = 32", name="sha256"),
        Index("ix_files_expires_at", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(UUID, primary_key=True)
    area: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    purpose: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    content_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    width: Mapped[int | None]
    height: Mapped[int | None]
    storage_key: Mapped[str] = mapped_column(String(200), unique=True)
    has_thumbnail: Mapped[bool]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    # The idempotency key of the upload: a request with the same key gets the first file.
    client_id: Mapped[uuid.UUID | None] = mapped_column(UUID)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    attached_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


@lru_cache(maxsize=1)
def purposes() -> dict[str, Purpose]:
    """Every purpose that an area declares, by key."""
    by_key = {purpose.key: purpose for area in areas().values() for purpose in area.purposes}
    if without_area := [key for key, purpose in by_key.items() if purpose.area not in areas()]:
        raise RuntimeError(f"the purpose {without_area[0]} names no area")
    return by_key


def add(
    db: Session, by: Actor | str, deposit: Deposit, client_id: uuid.UUID | None = None, *, is_audited: bool = True
) -> File:
    """Adds the row of a deposit, which expires unless it is attached. A user who sees one tenant of the area uploads
    for that tenant. Not `is_audited`: the action that made the file has an audit entry of its own."""
    user = by if isinstance(by, Actor) else None
    file = File(
        id=deposit.id,
        area=deposit.purpose.area,
        tenant_id=user.tenant_in(deposit.purpose.area) if user else None,
        purpose=deposit.purpose.key,
        name=deposit.name,
        content_type=deposit.kind.value,
        size=deposit.size,
        sha256=deposit.sha256,
        width=deposit.width,
        height=deposit.height,
        storage_key=deposit.storage_key,
        has_thumbnail=deposit.has_thumbnail,
        user_id=user.user_id if user else None,
        client_id=client_id,
        expires_at=app_now(db) + UNUSED_LIFETIME,
    )
    try:
        with db.begin_nested():
            db.add(file)
    except IntegrityError as error:
        # Two concurrent requests with the same key: the other one was first.
        if not violates(error, "uq_files_user_id_client_id") or user is None or client_id is None:
            raise
        if existing := find_repeat(db, user, client_id, deposit.purpose):
            return existing
        raise
    if is_audited:
        after = {"purpose": file.purpose, "name": file.name, "size": file.size, "sha256": file.sha256.hex()}
        audit.record(db, by, "create", file.area, "file", file.id, after=after)
    return file


def find_repeat(db: Session, by: Actor, client_id: uuid.UUID, purpose: Purpose) -> File | None:
    """The file that this user has sent with this idempotency key. Raises Conflict when it was for another purpose."""
    existing = db.scalars(sql_select(File).where(File.user_id == by.user_id, File.client_id == client_id)).one_or_none()
    if existing is not None and existing.purpose != purpose.key:
        raise Conflict("この送信番号（Idempotency-Key）は、別の用途のファイルで使われています。番号を変えてください。")
    return existing


def get_visible(db: Session, by: Actor, file_id: uuid.UUID) -> File:
    """A file that the user may see: an own one, or one in use whose purpose the user may read. Raises NotFound."""
    file = db.get(File, file_id)
    if file is not None and (file.user_id == by.user_id or (file.attached_at is not None and _may_read(by, file))):
        return file
    raise _not_found()


def _may_read(by: Actor, file: File) -> bool:
    purpose = purposes().get(file.purpose)
    return purpose is not None and file.area in by.areas_where(purpose.read)


def get_attached(db: Session, file_id: uuid.UUID) -> File:
    """A file in use, for code that does not act for a user. Raises NotFound."""
    file = db.get(File, file_id)
    if file is None or file.attached_at is None:
        raise _not_found()
    return file


def attach(db: Session, by: Actor, file_id: uuid.UUID, purpose: Purpose, tenant_id: int | None = None) -> File:
    """Marks a file of the user as in use; the area links it in the same transaction. `tenant_id` is the tenant of the
    record that it is linked to.

    Raises:
        NotFound: the user has no such file for this purpose.
        Conflict: the file is in use already.
    """
    statement = sql_select(File).where(File.id == file_id, File.user_id == by.user_id, File.purpose == purpose.key)
    file = db.scalars(statement.with_for_update()).one_or_none()
    if file is None:
        raise _not_found()
    if file.attached_at is not None:
        raise Conflict("このファイルはすでに使われています。もう一度ファイルを選んで送ってください。")
    file.attached_at, file.expires_at, file.tenant_id = app_now(db), None, tenant_id or file.tenant_id
    return file


def extend_expiry(
    db: Session, by: Actor, file_ids: Collection[uuid.UUID], purpose: Purpose, lifetime: timedelta
) -> None:
    """Extends the expiry of the user's files that are not attached yet: the work that they are for is not finished."""
    if file_ids:
        of_user = (File.id.in_(file_ids), File.user_id == by.user_id, File.purpose == purpose.key)
        statement = update(File).where(*of_user, File.attached_at.is_(None))
        db.execute(statement.values(expires_at=app_now(db) + lifetime).execution_options(synchronize_session=False))


def attach_generated(db: Session, file: File) -> None:
    """Marks a file that no user sent as in use, in the transaction that adds and links it."""
    file.attached_at, file.expires_at = app_now(db), None


def detach(db: Session, file: File) -> None:
    """Ends the use of a file: from now on only its sender sees it, and it expires after a day."""
    file.attached_at, file.expires_at = None, app_now(db) + UNUSED_LIFETIME


def _not_found() -> NotFound:
    return NotFound("ファイルが見つかりません。削除されたか、表示する権限がありません。画面を開き直してください。")
