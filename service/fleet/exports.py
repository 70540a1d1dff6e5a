"""The fleet's lists that can be exported as files."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.fleet import queries, schemas
from service.fleet.rules import ContractType, Status

TERMINALS = ExportList(
    key="fleet.terminals",
    title="端末一覧",
    permission="fleet:terminal:read",
    columns=(
        Column("serial_number", "シリアル番号"),
        Column("customer_name", "顧客企業"),
        Column("store_name", "設置店舗名"),
        Column("status", "状態", "choice", Status.labels()),
        Column("error", "エラー内容"),
        Column("last_heartbeat_at", "最終通信", "moment"),
        Column("firmware_version", "ファームウェア"),
        Column("agent_version", "エージェント"),
        Column("reported_cpu_usage", "CPU（%）", "number"),
        Column("reported_memory_usage", "メモリ（%）", "number"),
        Column("reported_disk_usage", "ディスク（%）", "number"),
        Column("installed_date", "設置日", "date"),
        Column("tag_words", "タグ"),
        Column("archived_at", "アーカイブ日時", "moment"),
    ),
    filters=schemas.TerminalFilters,
    statement=queries.export_terminals,
)
CUSTOMERS = ExportList(
    key="fleet.customers",
    title="顧客企業一覧",
    permission="fleet:customer:read",
    columns=(
        Column("company_name", "会社名"),
        Column("contact_person", "担当者"),
        Column("contact_email", "連絡先メール"),
        Column("contact_phone", "電話番号"),
        Column("contract_type", "契約種別", "choice", ContractType.labels()),
        Column("terminal_count", "端末数", "number"),
        *(Column(f"{status}_count", status.label, "number") for status in Status),
        Column("created_at", "登録日時", "moment"),
        Column("archived_at", "アーカイブ日時", "moment"),
    ),
    filters=schemas.CustomerFilters,
    statement=queries.export_customers,
)
EXPORTS = (TERMINALS, CUSTOMERS)
