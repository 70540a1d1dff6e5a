"""What goes out of the figures' doors over HTTP, and what a stretch of time amounts to for reports."""

from __future__ import annotations

from service.reservations.figures.rules import Counts as Counts
from service.reservations.figures.rules import Period as Period
from service.reservations.figures.rules import Rate as Rate
