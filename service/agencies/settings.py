"""Settings of the agencies area: environment variables AGENCIES_…"""

from __future__ import annotations

from functools import lru_cache
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from service.agencies.sealing import KeyRing
from service.core.settings import for_area


class Settings(BaseSettings):
    model_config = for_area("agencies")

    # Without keys no card is accepted: there is no default key, neither in production nor elsewhere.
    card_keys: SecretStr = SecretStr("")
    code_keys: SecretStr = SecretStr("")
    keep_security_code: bool = False
    reveal_seconds: int = Field(30, ge=5, le=300)
    # Whether images of statements are read by OCR on demand; the packages for it are an extra.
    ocr: bool = False

    @field_validator("card_keys", "code_keys")
    @classmethod
    def _check_keys(cls, value: SecretStr) -> SecretStr:
        _key_ring(value)
        return value

    @model_validator(mode="after")
    def _check_separate_code_keys(self) -> Self:
        if self.keep_security_code and not (self.card_ring and self.code_ring):
            raise ValueError("AGENCIES_KEEP_SECURITY_CODE needs AGENCIES_CARD_KEYS and AGENCIES_CODE_KEYS.")
        if _key_values(self.card_keys) & _key_values(self.code_keys):
            raise ValueError("AGENCIES_CODE_KEYS has a key of AGENCIES_CARD_KEYS; codes need one of their own.")
        return self

    @property
    def card_ring(self) -> KeyRing | None:
        """None: cards are not accepted."""
        return _key_ring(self.card_keys)

    @property
    def code_ring(self) -> KeyRing | None:
        return _key_ring(self.code_keys)


def _key_ring(value: SecretStr) -> KeyRing | None:
    return KeyRing.parse(value.get_secret_value()) if value.get_secret_value() else None


def _key_values(value: SecretStr) -> set[str]:
    return {part.partition(":")[2].strip() for part in value.get_secret_value().split(",")} - {""}


@lru_cache(maxsize=1)
def settings() -> Settings:
    return Settings()
