"""Assistants' tokens. The table stands with the reservations, which name the one that asked for them."""

from __future__ import annotations

from service.reservations.flow.models import Assistant as Assistant
