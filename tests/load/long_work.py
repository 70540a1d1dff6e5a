"""Row `long` of `make bench`: long lists and long files, an export of a million rows, an import of ten thousand."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx2

from tests.load import past
from tests.load.environment import BenchEnvironment, RunningService
from tests.load.rows import Claim, RowResult
from tests.processes import last_output_line

ROWS = 1_000_000
IMPORTED = 10_000
MEGABYTE = 1024 * 1024


def claims(environment: BenchEnvironment) -> RowResult:
    seconds = _measure_import(environment)
    _fill(environment)
    with environment.running_service() as service:
        export_seconds, export = measure_export(
            service, environment.create_session_token("admin"), "/api/fleet/customers.csv", ROWS
        )
    naive_seconds, naive_growth = map(
        float, last_output_line("-m", "tests.load.naive_export", environ=environment.environ).split()
    )
    comparison = f"{naive_seconds / export_seconds:.1f}× faster than naive"
    export.measured += f"; {comparison}, which grows by {naive_growth / MEGABYTE:,.0f} MiB"
    text = f"{IMPORTED:,} rows read, checked, imported and audited"
    return [], [export, Claim.under(30, "s", text, seconds, digits=1)]


def _fill(environment: BenchEnvironment) -> None:
    with environment.owner_connection() as connection, past.unsearched(connection, "fleet_customers"):
        connection.execute(
            "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
            "SELECT '株式会社 一覧の' || n, '担当 太郎', 'taro@example.com', '03-1234-5678' "
            "FROM generate_series(1, %s - (SELECT count(*) FROM fleet_customers)) n",
            [ROWS],
        )
        connection.execute("VACUUM ANALYZE fleet_customers")


def measure_export(
    service: RunningService, token: str, path: str, expected: int, noun: str = "rows"
) -> tuple[float, Claim]:
    """Seconds to the last byte of a CSV export, and the claim that the service's memory does not grow with it."""
    with httpx2.Client(base_url=service.url, timeout=120, headers={"Authorization": f"Bearer {token}"}) as http:
        # The memory that a process needs for its first answer does not count.
        if http.get(path.removesuffix(".csv")).status_code != 200:
            raise SystemExit("the list is refused; nothing was measured")
        before, started_at, rows = _peak_memory(service.pid), time.perf_counter(), -1
        with http.stream("GET", path) as response:
            for chunk in response.iter_bytes():
                rows += chunk.count(b"\n")
    seconds, growth = time.perf_counter() - started_at, (_peak_memory(service.pid) - before) / MEGABYTE
    return seconds, Claim(
        f"{rows:,} {noun} as CSV over HTTP: the service grows by at most 16 MiB",
        f"{growth:.0f} MiB in {seconds:.1f} s",
        growth <= 16 and rows == expected,
    )


def _measure_import(environment: BenchEnvironment) -> float:
    """Seconds from the bytes of a file of terminals to the end of the import task."""
    lines = ["シリアル番号,顧客企業,設置店舗名,設置日"]
    lines += [f"IMPORT-{n:06},顧客{1 + n % 100},新宿店 レジ{n}番,2026/4/1" for n in range(IMPORTED)]
    return import_file(environment, "fleet.terminals", "\r\n".join(lines).encode("cp932"), "bench.csv", IMPORTED)


def import_file(environment: BenchEnvironment, kind: str, content: bytes, name: str, rows: int) -> float:
    """Seconds from a file's bytes to the end of the import task, which must find so many new rows in it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        arguments = ("-m", "tests.load.run_import", kind, file.name, name, str(rows))
        return float(last_output_line(*arguments, environ=environment.environ))


def _peak_memory(pid: int) -> int:
    """The peak memory of the process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
