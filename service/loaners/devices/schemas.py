"""Request and response models of devices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator

from service.core.edits import Edit, change_of
from service.core.values.messages import described
from service.core.values.texts import NO_NUL, ONE_LINE, Instant, NotBlank, RecordId
from service.loaners.rules import MAX_NUMBER_LENGTH, Deposit, Kind, normalize_number, number_refusal
from service.loaners.schemas import CategoryKey, Search, Sort

Serial = Annotated[
    str,
    Field(
        min_length=1,
        max_length=20,
        pattern=described(r"^[A-Za-z0-9-]+$", "半角の英数字・ハイフンで入力してください（例: 5CD1234ABC）。"),
    ),
]
AssetNumber = Annotated[str, Field(max_length=50, pattern=ONE_LINE), AfterValidator(str.strip)]
Software = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Os = Annotated[str, Field(max_length=100, pattern=ONE_LINE)]
# By the custom column's id.
Extra = Annotated[
    dict[
        Annotated[str, Field(pattern=described(r"^[0-9]{1,18}$", "追加の列の番号を指定してください（例: 3）。"))],
        Annotated[str, Field(max_length=200, pattern=NO_NUL)],
    ],
    Field(max_length=100),
]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
AliasText = Annotated[str, Field(min_length=1, max_length=MAX_NUMBER_LENGTH, pattern=ONE_LINE), NotBlank]


class Wanted(BaseModel):
    """The values of a number, for a preview before the registration."""

    site_id: RecordId
    model_id: RecordId
    category: CategoryKey | None = None
    serial: Serial


class NewDevice(Wanted):
    """`category` null: that of the model. The 拠点管理番号 is built from these values; its 連番 is the next one of the
    same model and 製造番号."""

    model_config = ConfigDict(extra="forbid")

    asset_number: AssetNumber = ""
    software: Software = ""
    os: Os = ""
    extra: Extra = {}


class Preview(BaseModel):
    """`others`: existing devices with the same model and 製造番号."""

    number: str
    kind: Kind
    others: list[str]


class Registered(BaseModel):
    id: int
    number: str


@change_of(NewDevice, fixed=("site_id", "model_id", "category", "serial"))
class DeviceChange(Edit):
    """Fields that are omitted or null do not change; `extra`, when given, replaces all values. Site, model and 製造番号
    are part of the number, which never changes."""


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


class NewAlias(BaseModel):
    """Another number of the device."""

    model_config = ConfigDict(extra="forbid")

    alias: AliasText


class Transfer(Why):
    """移管 to another site; `effective_at` null: now."""

    site_id: RecordId
    effective_at: Instant | None = None


class DeviceItem(BaseModel):
    """A row of the 端末, プリンタ or その他 master. `is_moved`: at another site than its number says (移管)."""

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


class MasterFilters(BaseModel):
    """`q` is part of a number, an alias, a 製造番号, a 資産管理番号 or a model name; `site_id` is the current site."""

    q: Search | None = None
    site_id: RecordId | None = None
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None
    archived: bool = False
    sort: Sort = "number"


class DeviceFilters(MasterFilters):
    """Of the three masters together."""

    kind: Kind | None = None
    category: CategoryKey | None = None
    model_id: RecordId | None = None


class LabelFilters(DeviceFilters):
    """`number`: only devices with these 拠点管理番号."""

    number: Annotated[
        list[Annotated[str, Field(max_length=MAX_NUMBER_LENGTH, pattern=NO_NUL)]], Field(max_length=200)
    ] = []


class ImportedNumber(str):
    """A normalized number that also keeps the text as it was written."""

    as_written: str

    @classmethod
    def of(cls, text: str) -> ImportedNumber:
        """Raises ValueError with a message for the user."""
        number = normalize_number(text)
        if refusal := number_refusal(number):
            raise ValueError(refusal)
        created = cls(number)
        created.as_written = text.strip()
        return created


class DeviceRow(BaseModel):
    """A device in a row of a file: its number, which gives the site unless `site_key` is set, the model by its name,
    custom columns by their titles."""

    model_config = ConfigDict(extra="allow")

    # Validated when it was read; not converted.
    number: Annotated[str, PlainValidator(lambda number: number)]
    model_name: Annotated[str, Field(min_length=1, max_length=60)]
    category: CategoryKey
    serial: Serial
    asset_number: AssetNumber = ""
    software: Software = ""
    os: Os = ""
    # The current value of the state, or the new one.
    deposit: Deposit | None = None
    site_key: Annotated[str, Field(max_length=20)] = ""
    created_at: datetime | None = None
