"""Opening hours of a place: from `opens_at` to `closes_at` on the same day."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, model_validator

from service.core.values.messages import WrongField

Model = TypeVar("Model", bound=BaseModel)


def opens_before_it_closes(refusal: str) -> Any:
    """A validator for models with the two fields, also where only one of them is given."""

    def check(model: Model) -> Model:
        opens, closes = getattr(model, "opens_at", None), getattr(model, "closes_at", None)
        if opens is not None and closes is not None and opens >= closes:
            raise WrongField("closes_at", refusal)
        return model

    return model_validator(mode="after")(check)
