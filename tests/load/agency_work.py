"""Row `agencies` of `make bench`: the lists of 申込投入 and its figures, over 200 agencies with 400,000 sites."""

from __future__ import annotations

import psycopg

from tests.load.environment import BenchEnvironment
from tests.load.rows import Claim, RowResult, Run

AGENCIES, SITES = 200, 400_000

# Each agency has one sales user and 500 corporations; each corporation has two requests of two sites, over three years.
# Of a hundred requests 85 are 投入済, five キャンセル, and ten are open.
_FILL = """
INSERT INTO agencies_agencies (name, code) SELECT '株式会社代理店' || n, 'BENCH' || n FROM generate_series(1, 200) n;
INSERT INTO users (login_id, name, password_hash, is_active)
SELECT 'seller' || n, '売手 ' || n, '-', true FROM generate_series(1, 200) n;
INSERT INTO memberships (user_id, area, role, tenant_id)
SELECT u.id, 'agencies', 'sales', a.id
FROM agencies_agencies a JOIN users u ON u.login_id = 'seller' || substr(a.code, 6) WHERE a.code LIKE 'BENCH%';
INSERT INTO agencies_corporations (agency_id, customer_type, last_name, last_name_kana, zip_code, prefecture, city,
    town, street, phone1, mail_address)
SELECT a.id, '2', '株式会社商店' || n, 'カブシキガイシャショウテン', '1500002', '東京都', '渋谷区', '渋谷', '1-2-' || n,
    '03-0000-' || n, 'office' || n || '@example.jp'
FROM agencies_agencies a CROSS JOIN generate_series(1, 500) n WHERE a.code LIKE 'BENCH%';
INSERT INTO agencies_requests (agency_id, corporation_id, requested_by, status, is_open, site_count, remarks,
    created_at)
SELECT c.agency_id, c.id, u.id,
    CASE WHEN place < 85 THEN 'entered' WHEN place < 90 THEN 'cancelled' WHEN place < 93 THEN 'deficient'
    ELSE 'working' END, place >= 90, 2, '支払いは店舗ごとに分割してください。',
    app_now() - (c.id * 7919 + turn * 524287) % 1576800 * interval '1 minute'
FROM agencies_corporations c
JOIN agencies_agencies a ON a.id = c.agency_id AND a.code LIKE 'BENCH%'
JOIN users u ON u.login_id = 'seller' || substr(a.code, 6)
CROSS JOIN generate_series(1, 2) turn
CROSS JOIN LATERAL (SELECT (c.id * 31 + turn * 17) % 100 AS place) chance;
INSERT INTO agencies_sites (agency_id, corporation_id, request_id, status, service_type, pps_business_number,
    application_type, power_area, power_supplier_type, power_customer_number, power_customer_location_number,
    power_zip_code, power_prefecture, power_city, power_town, power_street, power_branch_name, power_customer_name,
    power_customer_name_kana, latest_charges, latest_power_usage, latest_date, power_plan_name, contract_capacity,
    note, entered_at)
SELECT r.agency_id, r.corporation_id, r.id, r.status, CASE turn WHEN 1 THEN 'electricity' ELSE 'gas' END, 'E01', '1',
    '03', '03', '40718' || r.id, '03' || lpad((r.id * 10 + turn)::text, 20, '0'), '1500002', '東京都', '渋谷区', '渋谷',
    '1-2-3', '支店' || r.id % 5000 || '号', '株式会社商店', 'カブシキガイシャショウテン', 12345, 321, '2026-10',
    '従量電灯C', '10kVA', '検針票は郵送で届いています。',
    CASE r.status WHEN 'entered' THEN r.created_at + interval '1 day' END
FROM agencies_requests r CROSS JOIN generate_series(1, 2) turn;
"""
# A part of a name that few rows have, and one that no row has.
FEW, NONE = "%E5%8F%B71999", "%E7%84%A1%E3%81%84"
# One corporation of each agency has this name.
SHOP = "%E5%95%86%E5%BA%97499"
ACQUIRED = {
    "all": "/api/agencies/acquired?limit=50",
    "by their sites": "/api/agencies/acquired?limit=50&sort=-sites_count",
    "of an agency": "/api/agencies/acquired?limit=50&agency_id={agency}",
    "of a month": "/api/agencies/acquired?limit=50&since={since}&until={until}",
    "found by a word": f"/api/agencies/acquired?limit=50&q={FEW}",
    "found by no word": f"/api/agencies/acquired?limit=50&q={NONE}",
    "counted": "/api/agencies/acquired/counts",
}
ACQUIRED_BY_SALES = {"of one's own agency": f"{ACQUIRED['all']}&mine=false"}
FIGURES = {
    "of all time": "/api/agencies/figures?limit=50",
    "of all agencies at once": "/api/agencies/figures?limit=1000",
    "of a month": "/api/agencies/figures?limit=50&since={since}&until={until}",
    "a year by month": "/api/agencies/figures/series?by=month",
    "an agency's days": "/api/agencies/figures/series?by=day&agency_id={agency}",
    "dashboard": "/api/agencies/dashboard",
}
REQUESTS = {
    "投入案件一覧": "/api/agencies/cases?limit=50",
    "投入案件一覧, 全件": "/api/agencies/cases?limit=50&status=all",
    "投入案件一覧 of an agency": "/api/agencies/cases?limit=50&status=all&agency_id={agency}",
    "投入案件一覧 by 法人名": f"/api/agencies/cases?limit=50&status=all&q={SHOP}",
    "投入案件一覧 of a month": "/api/agencies/cases?limit=50&status=all&since={since}&until={until}",
    "投入案件一覧, 未読": "/api/agencies/cases?limit=50&unread=true",
    "its counts": "/api/agencies/cases/counts",
    "its sales people": "/api/agencies/cases/sales-people",
    "its agencies": "/api/agencies/cases/agencies",
    "マイ依頼一覧 of all agencies": "/api/agencies/requests?limit=50",
    "counts of the same": "/api/agencies/requests/counts",
    "法人検索": "/api/agencies/corporations?limit=50",
    "法人検索 by a word": f"/api/agencies/corporations?limit=50&q={SHOP}",
}
REQUESTS_BY_SALES = {
    "マイ依頼一覧": "/api/agencies/requests?limit=50&mine=false",
    "counts of マイ依頼一覧": "/api/agencies/requests/counts",
}


def fill(connection: psycopg.Connection) -> None:
    connection.execute(_FILL)
    connection.execute("VACUUM ANALYZE")


def claims(environment: BenchEnvironment) -> RowResult:
    with environment.owner_connection() as connection:
        fill(connection)
    [[agency, sites, since, until]] = environment.rows(
        "SELECT (SELECT id FROM agencies_agencies WHERE code = 'BENCH100'), (SELECT count(*) FROM agencies_sites), "
        "current_date - 60, current_date - 30"
    )
    token, seller_token = (
        environment.create_session_token("admin", "agencies"),
        environment.create_session_token("sales", "agencies", agency),
    )
    days = {"agency": agency, "since": since, "until": until}
    with environment.running_service() as service:

        def read(paths: dict[str, str], user_token: str = token) -> dict[str, Run]:
            return {name: service.measure_reads(user_token, path.format(**days)) for name, path in paths.items()}

        runs_by_list = {
            "獲得案件一覧": read(ACQUIRED) | read(ACQUIRED_BY_SALES, seller_token),
            "投入案件一覧, マイ依頼一覧 and 法人検索": read(REQUESTS) | read(REQUESTS_BY_SALES, seller_token),
            "代理店別数値 and the dashboard": read(FIGURES),
        }
    scope = f"over {AGENCIES} agencies and {sites:,} sites"
    goals = [Claim.in_time(f"{title} {scope}", 300, runs) for title, runs in runs_by_list.items()]
    for claim in goals:
        claim.holds &= sites >= SITES
    return [], goals
