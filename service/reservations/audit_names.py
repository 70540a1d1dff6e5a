"""How the audit log names reservations and the work around them."""

from __future__ import annotations

from sqlalchemy import case, func, select

from service.core.access.identity import User
from service.core.audit.names import Named, local_text
from service.reservations.alarms.models import Alarm, Proposal
from service.reservations.chores.models import Chore, ChoreTurn
from service.reservations.drafts.models import ActivityReport
from service.reservations.drafts.rules import Kind
from service.reservations.enquiries.models import Enquiry
from service.reservations.incidents.models import Incident
from service.reservations.management.models import ManagementReport
from service.reservations.models import Assistant, Plan, Reservation, Service, Shop
from service.reservations.operations.models import Operation
from service.reservations.roster.models import Shift
from service.reservations.surveys.models import Survey

_report_kind = case(dict(Kind.labels()), value=ActivityReport.kind, else_="")

AUDIT_NAMES = {
    "service": Named(select(Service.id, Service.name), ("services",)),
    "plan": Named(
        select(Plan.id, func.concat(Service.name, " ", Plan.name)).join(Service, Service.id == Plan.service_id)
    ),
    "shop": Named(select(Shop.id, Shop.name), ("shops", "order")),
    "reservation": Named(
        select(Reservation.code, func.concat(Reservation.code, "（", Reservation.customer_name, " 様）"))
    ),
    "operation": Named(select(Operation.id, Operation.title)),
    "shift": Named(
        select(Shift.id, func.concat(User.name, " ", local_text(Shift.starts_at), "からの")).join(
            User, User.id == Shift.user_id
        )
    ),
    "assistant": Named(select(Assistant.id, Assistant.name)),
    "incident": Named(
        select(Incident.id, func.concat("INC-", func.to_char(Incident.id, "FM999990000"), " ", Incident.title))
    ),
    "enquiry": Named(
        select(Enquiry.id, func.concat("ENQ-", func.to_char(Enquiry.id, "FM999990000"), " ", Enquiry.topic))
    ),
    "survey": Named(select(Survey.id, func.concat(Survey.year, "年第", Survey.quarter, "四半期の"))),
    "management_report": Named(select(ManagementReport.id, func.to_char(ManagementReport.month, 'YYYY"年"FMMM"月の"'))),
    "chore": Named(select(Chore.id, Chore.title)),
    "chore_turn": Named(
        select(ChoreTurn.id, func.concat_ws(" ", Chore.title, func.to_char(ChoreTurn.slot, "YYYY/MM/DD"))).join(
            Chore, Chore.id == ChoreTurn.chore_id
        )
    ),
    "report": Named(
        select(
            ActivityReport.id,
            func.concat(_report_kind, " ", func.to_char(ActivityReport.first_day, "YYYY/MM/DD"), "から"),
        )
    ),
    "alarm": Named(select(Alarm.id, Alarm.detail)),
    "proposal": Named(select(Proposal.id, Proposal.title)),
}
