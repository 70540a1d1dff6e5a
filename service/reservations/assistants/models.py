"""Assistants' tokens. The table is defined with the reservations, which refer to it."""

from __future__ import annotations

from service.reservations.flow.models import Assistant as Assistant
