"""Responses of the postal codes' route."""

from __future__ import annotations

from pydantic import BaseModel


class Address(BaseModel):
    """`town` is "" where the code stands for the rest of a city."""

    prefecture: str
    city: str
    town: str


class PostalCode(BaseModel):
    zip_code: str
    candidates: list[Address]
