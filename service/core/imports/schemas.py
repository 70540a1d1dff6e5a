"""Imports as their user sees them, step by step."""

from __future__ import annotations

import uuid
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.imports.kinds import ImportKind
from service.core.imports.plan import ImportOutcome, RowError


class FieldAnswer(BaseModel):
    name: str
    label: str
    example: str
    is_required: bool
    is_key: bool

    @classmethod
    def all_of(cls, kind: ImportKind) -> list[FieldAnswer]:
        required = {name for name, field in kind.model.model_fields.items() if field.is_required()}
        return [
            cls(
                name=field.name,
                label=field.label,
                example=field.example,
                is_required=field.name in required,
                is_key=field.name == kind.natural_key,
            )
            for field in kind.fields
        ]


class KindAnswer(BaseModel):
    """`purpose` is the purpose for the upload of the file (PUT /api/core/files)."""

    kind: str
    area: str
    title: str
    purpose: str
    fields: list[FieldAnswer]

    @classmethod
    def of(cls, kind: ImportKind) -> KindAnswer:
        purpose = f"{kind.area}.import"
        return cls(kind=kind.key, area=kind.area, title=kind.title, purpose=purpose, fields=FieldAnswer.all_of(kind))


class NewImport(BaseModel):
    """`sheet` is the name of a workbook's sheet; null: the first."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[str, Field(max_length=64)]
    file_id: uuid.UUID
    sheet: Annotated[str, Field(max_length=100)] | None = None


class NewMapping(BaseModel):
    """Field → index of its column, from 0; null: the file has none."""

    model_config = ConfigDict(extra="forbid")

    columns: dict[str, Annotated[int, Field(ge=0, le=1000)] | None]


class Counts(BaseModel):
    new: int
    update: int
    same: int
    error: int


class ImportAnswer(BaseModel):
    """`counts` is null until the columns are mapped; `sheets` are the workbook's sheets, only in the answer to the
    upload. `fields` are the kind's, and those that only this file has."""

    id: int
    kind: str
    title: str
    file_name: str
    format: str
    sheets: list[str]
    headers: list[str]
    row_count: int
    fields: list[FieldAnswer]
    columns: dict[str, int | None]
    counts: Counts | None
    task_id: int | None


class PreviewRow(BaseModel):
    """`values` as in the file, `before` the values that a change replaces; both by label."""

    row: int
    outcome: ImportOutcome
    values: dict[str, str]
    before: dict[str, str]
    errors: list[str]


class Preview(BaseModel):
    """The first rows, and a page of the errors; at most the first thousand errors are listed."""

    counts: Counts
    rows: list[PreviewRow]
    errors: list[RowError]
    error_count: int
