"""Compares what the database, the storage and the vendors have with the writes that clients were answered: each exactly
once, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from agent.spool import FILE_NAME, Spool
from service.loaners.rules import Status
from tests.load.callers import (
    COLLECTED,
    LENT,
    STORED,
    ApiUser,
    MessagePublisher,
    Seller,
    Station,
    StatusForms,
    Terminal,
)
from tests.load.load_clients import ClientGroup, RunningProduct
from tests.load.tabs import Editor, Registrar, Tablet
from tests.load.watchers import Agent
from tests.processes import last_output_line

_STATUS = {LENT["0-4"]: Status.LENT, COLLECTED["0-4"]: Status.COLLECTED, STORED["0-4"]: Status.STORED}


def assert_once_each(expected: Iterable[object], stored: Iterable[object], title: str) -> None:
    """Raises AssertionError for what is missing, what is stored twice, and what no client was answered."""
    counts, unique = Counter(stored), set(expected)
    missing = sorted(map(str, unique - counts.keys()))
    doubled = {str(item): times for item, times in counts.items() if times > 1}
    extra = sorted(map(str, counts.keys() - unique))
    print(f"{title}: {len(unique)} answered, {len(missing)} missing, {len(doubled)} doubled, {len(extra)} beside")
    assert (missing, doubled, extra) == ([], {}, []), title


def heartbeats(product: RunningProduct, clients: ClientGroup) -> None:
    terminals = clients.of_kind(Terminal)
    expected = [(terminal.terminal_id, number) for terminal in terminals for number in terminal.completed]
    rows = product.rows(
        "SELECT terminal_id, sequence FROM fleet_heartbeats WHERE stream_id = ANY(%s::uuid[])",
        [terminal.stream for terminal in terminals],
    )
    assert_once_each(expected, rows, "heartbeats")


def agents(product: RunningProduct, clients: ClientGroup) -> None:
    """Everything that an agent put into its spool was sent: all numbers up to the last, once each."""
    for shop in [client.shop for client in clients.of_kind(Agent)]:
        with closing(Spool(shop.folder / "state" / FILE_NAME, 1000)) as spool:
            assert (spool.count(), spool.rejected()) == (0, []), shop.serial_number
        numbers = product.rows(
            "SELECT h.stream_id, h.sequence FROM fleet_heartbeats h JOIN fleet_terminals t ON t.id = h.terminal_id "
            "WHERE t.serial_number = %s",
            shop.serial_number,
        )
        last_numbers: Counter[object] = Counter()
        for stream, number in numbers:
            last_numbers[stream] = max(last_numbers[stream], number)
        expected = [
            (stream, number) for stream, last_number in last_numbers.items() for number in range(1, last_number + 1)
        ]
        assert_once_each(expected, numbers, f"heartbeats of the agent {shop.serial_number}")


def scans(product: RunningProduct, clients: ClientGroup) -> None:
    [nursery_id] = {station.nursery_id for station in clients.of_kind(Station)}
    stored = {
        str(event_id): (parent, entry_type)
        for event_id, parent, entry_type in product.rows(
            "SELECT client_event_id, parent_id, entry_type FROM entries_logs WHERE nursery_id = %s", nursery_id
        )
    }
    sent = {
        scan["clientEventId"]: (scan["parentId"], scan["entryType"])
        for write in clients.completed_writes(Station)
        for scan in write
    }
    assert {event_id: stored.get(event_id) for event_id in sent} == sent, "each scan is what was scanned"
    tablets = clients.of_kind(Tablet)
    assert [(tablet.waiting, tablet.set_aside) for tablet in tablets] == [([], [])] * len(tablets), (
        "something stayed in a browser"
    )
    tablet_scans = [event_id for tablet in tablets for event_id in tablet.completed]
    rows = product.rows("SELECT client_event_id FROM entries_logs WHERE nursery_id = %s", nursery_id)
    assert_once_each(
        [*sent, *tablet_scans],
        [str(event_id) for (event_id,) in rows],
        f"scans, {len(tablet_scans)} of them in Chromium",
    )
    # Entry and exit alternate, so a parent with more than one entry shows a duplicate or a loss.
    balances = Counter[int]()
    for parent, entry_type in stored.values():
        balances[parent] += 1 if entry_type == "Entry" else -1
    assert set(balances.values()) <= {0, 1}, balances


def forms(product: RunningProduct, clients: ClientGroup) -> None:
    writes = clients.completed_writes(StatusForms)
    names = [write["body"]["client_id"] for write in writes]
    numbers = sorted({write["number"] for write in writes})
    where = "device_id IN (SELECT id FROM loaners_devices WHERE number = ANY(%s))"
    rows = product.rows(f"SELECT client_id FROM loaners_events WHERE kind = 'form' AND {where}", numbers)
    assert_once_each(names, [str(name) for (name,) in rows], "loaner forms")
    last_status = {write["number"]: write["body"]["answers"]["0-4"] for write in writes}
    loan_counts = Counter(write["number"] for write in writes if write["body"]["answers"]["0-4"] == LENT["0-4"])
    states = product.rows(
        "SELECT d.number, s.status, (SELECT count(*) FROM loaners_loans l WHERE l.device_id = d.id), "
        "(SELECT count(*) FROM loaners_loans l WHERE l.device_id = d.id AND upper_inf(l.during)) "
        "FROM loaners_devices d JOIN loaners_states s ON s.device_id = d.id AND upper_inf(s.during) "
        "WHERE d.number = ANY(%s)",
        numbers,
    )
    for number, status, loans, open_loans in states:
        assert status == _STATUS[last_status[number]], number
        assert (loans, open_loans) == (loan_counts[number], int(status == Status.LENT)), number
    # Each change of 0-4 sends one mail to the site.
    changed = product.rows("SELECT id FROM loaners_events WHERE client_id = ANY(%s::uuid[])", names)
    mails = product.rows(
        "SELECT subject_id FROM outbox_messages WHERE area = 'loaners' AND subject = 'event' AND subject_id = ANY(%s)",
        [str(event_id) for (event_id,) in changed],
    )
    assert_once_each(
        [str(event_id) for (event_id,) in changed], [event_id for (event_id,) in mails], "mails to the site"
    )


def requests(product: RunningProduct, clients: ClientGroup) -> None:
    writes = clients.completed_writes(Seller)
    client_ids = [write["body"]["client_id"] for write in writes]
    rows = product.rows("SELECT client_id, id FROM agencies_requests WHERE remarks LIKE '依頼 %%'")
    assert_once_each(client_ids, [str(name) for name, _ in rows], "agency requests")
    images = product.rows(
        "SELECT r.client_id, i.file_id FROM agencies_images i JOIN agencies_requests r ON r.id = i.request_id "
        "WHERE r.client_id = ANY(%s::uuid[])",
        client_ids,
    )
    assert_once_each(
        [(write["body"]["client_id"], write["file"]) for write in writes],
        [(str(name), str(file)) for name, file in images],
        "images of these",
    )
    uploads = [write["upload"] for write in writes]
    stored = product.rows("SELECT client_id FROM files WHERE client_id = ANY(%s::uuid[])", uploads)
    assert_once_each(uploads, [str(name) for (name,) in stored], "uploads")
    ids = [str(request_id) for _, request_id in rows]
    check_audit_log(product, "agencies", "request", ids, creates=1, updates=0)
    check_audit_log(product, "agencies", "file", [write["file"] for write in writes], creates=1, updates=0)


def records(product: RunningProduct, clients: ClientGroup) -> None:
    """Parents by the API, customers by a form, and a terminal that was renamed again and again."""
    writes = clients.completed_writes(ApiUser)
    rows = product.rows("SELECT name, mail, version, id FROM entries_parents WHERE name LIKE '保護者 %%'")
    assert_once_each([write["name"] for write in writes], [name for name, *_ in rows], "parents by the API")
    current = {name: (mail, version) for name, mail, version, _ in rows}
    assert current == {write["name"]: (write["mail"], 2) for write in writes}, "each was edited once"
    check_audit_log(product, "entries", "parent", [str(row[3]) for row in rows], creates=1, updates=1)
    customers = product.rows("SELECT company_name, id FROM fleet_customers WHERE company_name LIKE '窓口 %%'")
    assert_once_each(clients.completed_writes(Registrar), [name for name, _ in customers], "customers by a form")
    check_audit_log(
        product, "fleet", "customer", [str(customer_id) for _, customer_id in customers], creates=1, updates=0
    )
    for editor in clients.of_kind(Editor):
        updates = product.rows(
            "SELECT after->>'store_name' FROM audit_entries WHERE area = 'fleet' AND subject = 'terminal' "
            "AND action = 'update' AND subject_id = %s",
            str(editor.terminal_id),
        )
        assert_once_each(editor.completed, [name for (name,) in updates], "edits in a browser")
        [stored] = product.rows("SELECT store_name, version FROM fleet_terminals WHERE id = %s", editor.terminal_id)
        assert stored == (editor.completed[-1], 1 + len(editor.completed))


def check_audit_log(
    product: RunningProduct, area: str, subject: str, ids: list[str], *, creates: int, updates: int
) -> None:
    """The audit log has that many creations and updates of each subject."""
    rows = product.rows(
        "SELECT subject_id, action, count(*) FROM audit_entries "
        "WHERE area = %s AND subject = %s AND subject_id = ANY(%s) GROUP BY 1, 2",
        area,
        subject,
        ids,
    )
    counts = {(subject_id, action): times for subject_id, action, times in rows}
    expected = {(subject_id, "create"): creates for subject_id in ids} | {
        (subject_id, "update"): updates for subject_id in ids if updates
    }
    assert counts == expected, f"audit of {subject}"


def messages(product: RunningProduct, clients: ClientGroup) -> None:
    """Slack can be asked whether an earlier attempt arrived. Mail cannot: duplicates have the same Message-ID."""
    for publisher in clients.of_kind(MessagePublisher):
        rows = product.rows("SELECT title, topic FROM outbox_messages WHERE title LIKE %s", f"{publisher.mark} %")
        assert_once_each(
            [(text, topic) for text in publisher.completed for topic in ("mail", "slack")], rows, "messages"
        )
        posts, mails = (
            delivered_texts(product, "slack", publisher.mark),
            delivered_texts(product, "mail", publisher.mark),
        )
        assert_once_each(publisher.completed, posts.elements(), "posts")
        assert set(mails) == set(publisher.completed)
        print(f"{mails.total()} mails of {len(mails)}")


def delivered_texts(product: RunningProduct, vendor: str, mark: str) -> Counter[str]:
    """What the vendor really did, by subject or text: all its log entries that have an action."""
    counts: Counter[str] = Counter()
    for entry in product.stack.control(f"log?vendor={vendor}&q={mark}"):
        text = str(entry["request"].get("subject") or entry["request"].get("text"))
        if text.startswith(f"{mark} ") and entry["did"]:
            counts[text] += len(entry["did"])
    return counts


def overdue(product: RunningProduct) -> list[tuple[str, str]]:
    """Messages of any area that should have been sent already."""
    return product.rows(
        "SELECT topic, title FROM outbox_messages WHERE sent_at IS NULL AND dead_at IS NULL AND next_attempt_at < now()"
    )


def storage(product: RunningProduct, _: ClientGroup) -> None:
    """Every row has its file. Files without a row are deleted, and no others."""
    environ = product.stack.program_environ()
    folder = Path(urlsplit(environ["FILES_URL"]).path)
    sizes_before = set(_stored_sizes(folder))
    report = last_output_line("-m", "tests.load.clean_files", environ=environ)
    rows = product.rows("SELECT storage_key, size, has_thumbnail FROM files")
    expected = {key: size for key, size, _ in rows}
    sizes = _stored_sizes(folder)
    print(f"{len(rows)} files; {report}")
    assert {key: size for key, size in sizes.items() if not key.endswith(".thumbnail")} == expected
    assert {key for key in sizes if key.endswith(".thumbnail")} == {
        f"{key}.thumbnail" for key, _, has_thumbnail in rows if has_thumbnail
    }
    assert set(sizes) <= sizes_before


def _stored_sizes(folder: Path) -> dict[str, int]:
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


# Each raises AssertionError for what is missing, what is stored twice, and what no client was answered.
COUNTS: dict[str, Callable[[RunningProduct, ClientGroup], None]] = {
    function.__name__: function for function in (heartbeats, agents, scans, forms, requests, records, messages, storage)
}
