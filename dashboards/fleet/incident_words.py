"""Incidents in words."""

from __future__ import annotations

from typing import Any


def where(incident: dict[str, Any]) -> str:
    """What its members share: ABC商事 - 新宿店 レジ1番 for one terminal, 回線 203.0.113.0/24 for a network."""
    match incident["scope"]:
        case "terminal":
            return f"{incident['customer_name']} - {incident['store_name']}"
        case "store":
            return f"{incident['customer_name']} - {incident['store_name']}（{incident['members']:,}台）"
        case "customer":
            return f"{incident['customer_name']}（{incident['members']:,}台）"
        case "network":
            return f"回線 {incident['network']}（{incident['members']:,}台）"
    return f"複数の顧客・回線（{incident['members']:,}台）"
