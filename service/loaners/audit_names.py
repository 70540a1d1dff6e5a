"""How the audit log names the devices and what belongs to them."""

from __future__ import annotations

from sqlalchemy import case, func, select

from service.core.audit.names import Named, local_text
from service.loaners.forms.models import Form
from service.loaners.history.models import Event
from service.loaners.models import Column, Device, Model, Site
from service.loaners.rules import Kind
from service.loaners.stocktakes.models import Stocktake
from service.loaners.upkeep.models import UpkeepRun
from service.loaners.views.models import View

_form_kind = case(dict(Kind.labels()), value=Form.kind, else_="")

AUDIT_NAMES = {
    "site": Named(select(Site.id, Site.name), ("number_site_id",)),
    "model": Named(select(Model.id, Model.name)),
    "column": Named(select(Column.id, Column.title)),
    "device": Named(select(Device.id, Device.number)),
    "event": Named(
        select(Event.id, func.concat(Device.number, " ", local_text(Event.effective_at), "の")).join(
            Device, Device.id == Event.device_id
        )
    ),
    "form": Named(select(Form.id, func.concat(_form_kind, " 第", Form.number, "版の"))),
    "view": Named(select(View.id, View.name)),
    "stocktake": Named(
        select(Stocktake.id, func.concat_ws(" ", Site.name, local_text(Stocktake.started_at)) + "の").join(
            Site, Site.id == Stocktake.site_id
        )
    ),
    "upkeep": Named(select(UpkeepRun.id, func.concat(local_text(UpkeepRun.at), "の"))),
}
