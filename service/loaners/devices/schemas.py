"""What goes in and out of the devices' doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

from service.core.texts import NO_NUL, ONE_LINE, Edition, Instant, Key, NotBlank
from service.loaners.rules import LONGEST_NUMBER, Deposit, Kind, normal_number, number_refusal
from service.loaners.schemas import CategoryKey, Search, Sort

Serial = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[A-Za-z0-9-]+$")]
AssetNumber = Annotated[str, Field(max_length=50, pattern=ONE_LINE), AfterValidator(str.strip)]
Software = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Os = Annotated[str, Field(max_length=100, pattern=ONE_LINE)]
# By the further column's id.
Extra = Annotated[
    dict[Annotated[str, Field(pattern=r"^[0-9]{1,18}$")], Annotated[str, Field(max_length=200, pattern=NO_NUL)]],
    Field(max_length=100),
]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
AliasText = Annotated[str, Field(min_length=1, max_length=LONGEST_NUMBER, pattern=ONE_LINE), NotBlank]


class NewDevice(BaseModel):
    """`category` null: the model's own. The 拠点管理番号 is made of these, and its 連番 is the next one of the same
    model and 製造番号."""

    model_config = ConfigDict(extra="forbid")

    site_id: Key
    model_id: Key
    category: CategoryKey | None = None
    serial: Serial
    asset_number: AssetNumber = ""
    software: Software = ""
    os: Os = ""
    extra: Extra = {}


class Wanted(BaseModel):
    """What a number is made of, for looking at it before anything is registered."""

    site_id: Key
    model_id: Key
    category: CategoryKey | None = None
    serial: Serial


class Preview(BaseModel):
    """`others` are the devices of the same model and 製造番号 that there are already."""

    number: str
    kind: Kind
    others: list[str]


class Registered(BaseModel):
    id: int
    number: str


class DeviceChange(BaseModel):
    """What is left out, or null, stays as it is; `extra`, when given, is all of it. Site, model and 製造番号 stand in
    the number, which never changes."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    asset_number: AssetNumber | None = None
    software: Software | None = None
    os: Os | None = None
    extra: Extra | None = None


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


class NewAlias(BaseModel):
    """Another number that the device is known by."""

    model_config = ConfigDict(extra="forbid")

    alias: AliasText


class Transfer(Why):
    """移管 to another site; `effective_at` null: now."""

    site_id: Key
    effective_at: Instant | None = None


class DeviceItem(BaseModel):
    """A row of the 端末, プリンタ or その他 master. `is_moved`: it is elsewhere than its number says (移管)."""

    id: int
    version: int
    number: str
    kind: Kind
    category: str
    model_id: int
    model_name: str
    maker: str
    serial: str
    asset_number: str
    software: str
    os: str
    extra: dict[str, str]
    aliases: list[str]
    site_id: int
    site_name: str
    jurisdiction: str
    is_moved: bool
    status: int | None
    held: bool | None
    deposit: int | None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None


class DeviceFilters(BaseModel):
    """`q` is part of a number, another number, a 製造番号, a 資産管理番号 or a model; `site_id` is where they are."""

    q: Search | None = None
    site_id: Key | None = None
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None
    kind: Kind | None = None
    category: CategoryKey | None = None
    model_id: Key | None = None
    archived: bool = False
    sort: Sort = "number"


class LabelFilters(DeviceFilters):
    """`number`: only these, by their 拠点管理番号."""

    number: Annotated[
        list[Annotated[str, Field(max_length=LONGEST_NUMBER, pattern=NO_NUL)]], Field(max_length=200)
    ] = []


class MasterFilters(BaseModel):
    """Of one master: what kind it is, it knows."""

    q: Search | None = None
    site_id: Key | None = None
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None
    archived: bool = False
    sort: Sort = "number"


class Written(str):
    """A number as the grammar has it, that remembers how it was written."""

    as_written: str

    @classmethod
    def of(cls, text: str) -> Written:
        """Raises ValueError, in words."""
        number = normal_number(text)
        if refusal := number_refusal(number):
            raise ValueError(refusal)
        made = cls(number)
        made.as_written = text.strip()
        return made


class DeviceRow(BaseModel):
    """A device as a row of a file has it: its number, from which the site follows unless it is named, the model by its
    name, further columns under their titles."""

    model_config = ConfigDict(extra="allow")

    # Checked when it was read, and kept as it is.
    number: Annotated[str, PlainValidator(lambda number: number)]
    model_name: Annotated[str, Field(min_length=1, max_length=60)]
    category: CategoryKey
    serial: Serial
    asset_number: AssetNumber = ""
    software: Software = ""
    os: Os = ""
    # As the state has it now, or shall have it.
    deposit: Deposit | None = None
    site_key: Annotated[str, Field(max_length=20)] = ""
    created_at: datetime | None = None
