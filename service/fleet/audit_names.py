"""How the audit log names the fleet's things."""

from __future__ import annotations

from sqlalchemy import ColumnElement, ScalarSelect, case, func, select

from service.core.audit.names import Named, local_text
from service.fleet.agents.models import Command
from service.fleet.firmware.models import Firmware, Rollout
from service.fleet.incidents.models import Incident
from service.fleet.incidents.rules import Scope
from service.fleet.maintenance.models import Maintenance
from service.fleet.models import Alert, Customer, EnrolmentCode, Terminal
from service.fleet.monthly.models import MonthlyReport

# ABC商事 新宿店 レジ2番
_PLACE: ColumnElement[str] = func.concat(Customer.company_name, " ", Terminal.store_name)


def _terminal_of_first_alert() -> ScalarSelect[str]:
    return (
        select(_PLACE)
        .select_from(Alert)
        .join(Terminal, Terminal.id == Alert.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
        .where(Alert.incident_id == Incident.id)
        .order_by(Alert.id)
        .limit(1)
        .correlate(Incident)
        .scalar_subquery()
    )


_company = (
    select(Customer.company_name).where(Customer.id == Incident.customer_id).correlate(Incident).scalar_subquery()
)
_incident_place = case(
    (Incident.scope == Scope.TERMINAL, _terminal_of_first_alert()),
    else_=func.coalesce(
        func.nullif(func.concat_ws(" ", _company, Incident.store_name), ""), func.host(Incident.network)
    ),
)


def _terminals(ending: str) -> Named:
    name = func.concat(_PLACE, "（", Terminal.serial_number, ending)
    return Named(select(Terminal.id, name).join(Customer, Customer.id == Terminal.customer_id))


AUDIT_NAMES = {
    "customer": Named(select(Customer.id, Customer.company_name)),
    "terminal": _terminals("）"),
    "terminal_token": _terminals("）の"),
    "incident": Named(select(Incident.id, func.concat(_incident_place, "の"))),
    "maintenance": Named(
        select(Maintenance.id, func.concat(_PLACE, "の"))
        .join(Terminal, Terminal.id == Maintenance.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
    ),
    "command": Named(
        select(Command.id, func.concat(_PLACE, "の"))
        .join(Terminal, Terminal.id == Command.terminal_id)
        .join(Customer, Customer.id == Terminal.customer_id)
    ),
    "enrolment_code": Named(
        select(
            EnrolmentCode.id,
            func.concat(
                func.coalesce(Customer.company_name, "すべての顧客企業"),
                "（",
                local_text(EnrolmentCode.expires_at),
                "まで）の",
            ),
        ).outerjoin(Customer, Customer.id == EnrolmentCode.customer_id)
    ),
    "firmware": Named(select(Firmware.id, Firmware.version)),
    "rollout": Named(select(Rollout.id, Rollout.name), ("undoes_id",)),
    "monthly_report": Named(
        select(
            MonthlyReport.id,
            func.concat(
                func.coalesce(Customer.company_name, "全社"),
                " ",
                func.to_char(MonthlyReport.month, 'YYYY"年"FMMM"月の"'),
            ),
        ).outerjoin(Customer, Customer.id == MonthlyReport.customer_id)
    ),
}
