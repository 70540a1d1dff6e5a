"""Requests and responses of ユーザー管理 and of the user's own account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.core.access.tenants import Tenant
from service.core.edits import Edit, change_of
from service.core.values.messages import described
from service.core.values.states import UserState
from service.core.values.texts import HIDDEN, NO_NUL, ONE_LINE, TAKES_MAIL, NotBlank

# Lower-case letters only, because Admin and admin are easily confused.
LoginId = Annotated[
    str,
    Field(
        min_length=3,
        max_length=64,
        pattern=described(
            r"^[a-z0-9][a-z0-9._@-]*$",
            "半角の小文字の英字・数字・記号（. _ @ -）で、英字か数字から入力してください（例: hanako.yamada）。",
        ),
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
_MAIL_PART = rf"[^@\s,<>\x00-\x1f\x7f{HIDDEN}]+"
Mail = Annotated[str, Field(max_length=254, pattern=described(rf"^{_MAIL_PART}@{_MAIL_PART}$", TAKES_MAIL))]
Id = Annotated[int, Field(ge=1, lt=2**63)]
# No rules here: `access.passwords` checks a new password, with messages for the user.
Password = Annotated[str, Field(min_length=1, max_length=1024)]
DetailName = Annotated[str, Field(min_length=1, max_length=32, pattern=NO_NUL)]
DetailValue = Annotated[str, StringConstraints(strip_whitespace=True, max_length=50, pattern=ONE_LINE)]
Details = Annotated[
    dict[DetailName, DetailValue],
    Field(max_length=10),
    AfterValidator(lambda details: {name: value for name, value in details.items() if value}),
]


class MembershipIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    area: Annotated[str, Field(min_length=1, max_length=32, pattern=NO_NUL)]
    role: Annotated[str, Field(min_length=1, max_length=32, pattern=NO_NUL)]
    tenant_id: Id | None = None
    # Missing or empty details are deleted.
    details: Details = {}


Memberships = Annotated[list[MembershipIn], Field(min_length=1, max_length=20)]


class NewUser(BaseModel):
    model_config = ConfigDict(extra="forbid")

    login_id: LoginId
    name: Name
    mail: Mail | None = None
    memberships: Memberships


@change_of(NewUser, fixed=("login_id",))
class UserChange(Edit):
    """Only fields that are sent are changed. `memberships` are all of the user's in the areas that the caller
    administers: a missing one ends; those in other areas are not changed."""

    version: Id
    memberships: Memberships | None = None  # declared once more, because the action reads the models


class MembershipOut(BaseModel):
    """`is_suspended`: the tenant is out of use, and the role grants nothing until it is back."""

    area: str
    role: str
    tenant_id: int | None
    details: dict[str, str]
    is_suspended: bool


class UserItem(BaseModel):
    """A user as an administrator sees it: only memberships in the administrator's scope; `elsewhere`: there are
    others."""

    id: int
    login_id: str
    name: str
    mail: str | None
    is_active: bool
    must_change_password: bool
    state: UserState
    last_signed_in_at: datetime | None
    created_at: datetime
    version: int
    memberships: list[MembershipOut]
    elsewhere: bool


class RoleChoice(BaseModel):
    role: str
    title: str
    scope: str | None


class DetailChoice(BaseModel):
    name: str
    title: str


class AreaChoice(BaseModel):
    """An area with its roles, the tenants that roles with a `scope` can be bound to, and the further fields of its
    memberships."""

    area: str
    title: str
    roles: list[RoleChoice]
    tenants: list[Tenant]
    details: list[DetailChoice]


class OneTimePassword(BaseModel):
    """Shown once; it has to be changed at the next sign-in."""

    id: int
    password: str


class SessionItem(BaseModel):
    id: int
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool


class Summary(BaseModel):
    """The number of users in the caller's scope; `active` includes those with a one-time password."""

    active: int
    one_time_password: int
    inactive: int


class Ended(BaseModel):
    """The number of sessions that were ended."""

    ended: int


class SessionsToEnd(BaseModel):
    """Without an id: all sessions."""

    model_config = ConfigDict(extra="forbid")

    session_id: Id | None = None


class PasswordChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    current_password: Password
    new_password: Password
