"""Scratch: how the audit log names notes."""

from __future__ import annotations

from service.scratch.models import Note
from sqlalchemy import select

from service.core.audit.names import Named

AUDIT_NAMES = {"note": Named(select(Note.id, Note.text))}
