"""What the database, the storage and the vendors have of what clients were answered: each once, and nothing beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from agent.spool import FILE_NAME, Spool
from service.loaners.rules import Status
from tests.load.callers import COLLECTED, LENT, STORED, Decisions, Desk, Seller, Station, StatusForms, Terminal
from tests.load.crowd import Crowd, Scene
from tests.load.tabs import Editor, Registrar, Tablet
from tests.load.watchers import Agent
from tests.processes import last_line

_STATUS = {LENT["0-4"]: Status.LENT, COLLECTED["0-4"]: Status.COLLECTED, STORED["0-4"]: Status.STORED}
# By default in days; here nobody is still writing.
_CLEAN = """
from datetime import timedelta
from service.core.files import retention
retention.ORPHAN_AGE = timedelta(0)
print(retention.clean())
"""


def once_each(wanted: Iterable[object], found: Iterable[object], what: str) -> None:
    """Raises AssertionError for what is missing, what is there twice, and what nobody was answered."""
    counted, asked = Counter(found), set(wanted)
    missing = sorted(map(str, asked - counted.keys()))
    doubled = {str(one): times for one, times in counted.items() if times > 1}
    beside = sorted(map(str, counted.keys() - asked))
    print(f"{what}: {len(asked)} answered, {len(missing)} missing, {len(doubled)} doubled, {len(beside)} beside")
    assert (missing, doubled, beside) == ([], {}, []), what


def heartbeats(scene: Scene, crowd: Crowd) -> None:
    senders = crowd.those(Terminal)
    wanted = [(one.terminal_id, number) for one in senders for number in one.done]
    found = scene.rows(
        "SELECT terminal_id, sequence FROM fleet_heartbeats WHERE stream_id = ANY(%s::uuid[])",
        [one.stream for one in senders],
    )
    once_each(wanted, found, "heartbeats")


def agents(scene: Scene, crowd: Crowd) -> None:
    """Whatever an agent ever put into its spool was sent: all numbers up to the last, once each."""
    for shop in [one.shop for one in crowd.those(Agent)]:
        with closing(Spool(shop.folder / "state" / FILE_NAME, 1000)) as spool:
            assert (spool.count(), spool.rejected()) == (0, []), shop.serial_number
        numbers = scene.rows(
            "SELECT h.stream_id, h.sequence FROM fleet_heartbeats h JOIN fleet_terminals t ON t.id = h.terminal_id "
            "WHERE t.serial_number = %s",
            shop.serial_number,
        )
        last: Counter[object] = Counter()
        for stream, number in numbers:
            last[stream] = max(last[stream], number)
        every = [(stream, number) for stream, most in last.items() for number in range(1, most + 1)]
        once_each(every, numbers, f"heartbeats of the agent {shop.serial_number}")


def scans(scene: Scene, crowd: Crowd) -> None:
    [nursery_id] = {one.nursery_id for one in crowd.those(Station)}
    known = {
        str(name): (parent, way)
        for name, parent, way in scene.rows(
            "SELECT client_event_id, parent_id, entry_type FROM entries_logs WHERE nursery_id = %s", nursery_id
        )
    }
    sent = {scan["clientEventId"]: (scan["parentId"], scan["entryType"]) for one in crowd.of(Station) for scan in one}
    assert {name: known.get(name) for name in sent} == sent, "each scan is what was scanned"
    tablets = crowd.those(Tablet)
    assert [(one.left, one.aside) for one in tablets] == [([], [])] * len(tablets), "something stayed in a browser"
    told = [name for one in tablets for name in one.done]
    rows = scene.rows("SELECT client_event_id FROM entries_logs WHERE nursery_id = %s", nursery_id)
    once_each([*sent, *told], [str(name) for (name,) in rows], f"scans, {len(told)} of them in Chromium")
    # In and out in turns: whoever is in once too often was counted twice, or one was lost in between.
    balances = Counter[int]()
    for parent, way in known.values():
        balances[parent] += 1 if way == "Entry" else -1
    assert set(balances.values()) <= {0, 1}, balances


def forms(scene: Scene, crowd: Crowd) -> None:
    told = crowd.of(StatusForms)
    names = [one["body"]["client_id"] for one in told]
    numbers = sorted({one["number"] for one in told})
    of_these = "device_id IN (SELECT id FROM loaners_devices WHERE number = ANY(%s))"
    found = scene.rows(f"SELECT client_id FROM loaners_events WHERE kind = 'form' AND {of_these}", numbers)
    once_each(names, [str(name) for (name,) in found], "loaner forms")
    last = {one["number"]: one["body"]["answers"]["0-4"] for one in told}
    lent = Counter(one["number"] for one in told if one["body"]["answers"]["0-4"] == LENT["0-4"])
    states = scene.rows(
        "SELECT d.number, s.status, (SELECT count(*) FROM loaners_loans l WHERE l.device_id = d.id), "
        "(SELECT count(*) FROM loaners_loans l WHERE l.device_id = d.id AND upper_inf(l.during)) "
        "FROM loaners_devices d JOIN loaners_states s ON s.device_id = d.id AND upper_inf(s.during) "
        "WHERE d.number = ANY(%s)",
        numbers,
    )
    for number, status, loans, open_loans in states:
        assert status == _STATUS[last[number]], number
        assert (loans, open_loans) == (lent[number], int(status == Status.LENT)), number
    # Each change of 0-4 is told to the site, once.
    changed = scene.rows("SELECT id FROM loaners_events WHERE client_id = ANY(%s::uuid[])", names)
    mails = scene.rows(
        "SELECT subject_id FROM outbox_messages WHERE area = 'loaners' AND subject = 'event' AND subject_id = ANY(%s)",
        [str(one) for (one,) in changed],
    )
    once_each([str(one) for (one,) in changed], [one for (one,) in mails], "mails to the site")


def requests(scene: Scene, crowd: Crowd) -> None:
    sent = crowd.of(Seller)
    names = [one["body"]["client_id"] for one in sent]
    found = scene.rows("SELECT client_id, id FROM agencies_requests WHERE remarks LIKE '依頼 %%'")
    once_each(names, [str(name) for name, _ in found], "agency requests")
    images = scene.rows(
        "SELECT r.client_id, i.file_id FROM agencies_images i JOIN agencies_requests r ON r.id = i.request_id "
        "WHERE r.client_id = ANY(%s::uuid[])",
        names,
    )
    once_each(
        [(one["body"]["client_id"], one["file"]) for one in sent],
        [(str(name), str(file)) for name, file in images],
        "images of these",
    )
    uploads = [one["upload"] for one in sent]
    stored = scene.rows("SELECT client_id FROM files WHERE client_id = ANY(%s::uuid[])", uploads)
    once_each(uploads, [str(name) for (name,) in stored], "uploads")
    ids = [str(one) for _, one in found]
    trail(scene, "agencies", "request", ids, creates=1, updates=0)
    trail(scene, "agencies", "file", [one["file"] for one in sent], creates=1, updates=0)


def records(scene: Scene, crowd: Crowd) -> None:
    """Parents by people at the API, customers by a form, and a terminal that has got name after name."""
    edited = crowd.of(Desk)
    found = scene.rows("SELECT name, mail, version, id FROM entries_parents WHERE name LIKE '保護者 %%'")
    once_each([one["name"] for one in edited], [name for name, *_ in found], "parents by the API")
    now = {name: (mail, version) for name, mail, version, _ in found}
    assert now == {one["name"]: (one["mail"], 2) for one in edited}, "each was edited once"
    trail(scene, "entries", "parent", [str(row[3]) for row in found], creates=1, updates=1)
    typed = scene.rows("SELECT company_name, id FROM fleet_customers WHERE company_name LIKE '窓口 %%'")
    once_each(crowd.of(Registrar), [name for name, _ in typed], "customers by a form")
    trail(scene, "fleet", "customer", [str(one) for _, one in typed], creates=1, updates=0)
    for editor in crowd.those(Editor):
        told = scene.rows(
            "SELECT after->>'store_name' FROM audit_entries WHERE area = 'fleet' AND subject = 'terminal' "
            "AND action = 'update' AND subject_id = %s",
            str(editor.terminal_id),
        )
        once_each(editor.done, [name for (name,) in told], "edits in a browser")
        [named] = scene.rows("SELECT store_name, version FROM fleet_terminals WHERE id = %s", editor.terminal_id)
        assert named == (editor.done[-1], 1 + len(editor.done))


def trail(scene: Scene, area: str, subject: str, ids: list[str], *, creates: int, updates: int) -> None:
    """The audit says of each of these so often that it was made and changed."""
    rows = scene.rows(
        "SELECT subject_id, action, count(*) FROM audit_entries "
        "WHERE area = %s AND subject = %s AND subject_id = ANY(%s) GROUP BY 1, 2",
        area,
        subject,
        ids,
    )
    told = {(one, action): times for one, action, times in rows}
    wanted = {(one, "create"): creates for one in ids} | {(one, "update"): updates for one in ids if updates}
    assert told == wanted, f"audit of {subject}"


def messages(scene: Scene, crowd: Crowd) -> None:
    """Slack can be asked whether an earlier try arrived. Mail cannot: what came twice has the same Message-ID."""
    for one in crowd.those(Decisions):
        rows = scene.rows("SELECT title, topic FROM outbox_messages WHERE title LIKE %s", f"{one.mark} %")
        once_each([(text, topic) for text in one.done for topic in ("mail", "slack")], rows, "messages")
        posts, mails = arrived(scene, "slack", one.mark), arrived(scene, "mail", one.mark)
        once_each(one.done, posts.elements(), "posts")
        assert set(mails) == set(one.done)
        print(f"{mails.total()} mails of {len(mails)}")


def arrived(scene: Scene, vendor: str, mark: str) -> Counter[str]:
    """What the vendor truly did, by subject or text: every entry of its log that says it did something."""
    found: Counter[str] = Counter()
    for entry in scene.stack.control(f"log?vendor={vendor}&q={mark}"):
        said = str(entry["request"].get("subject") or entry["request"].get("text"))
        if said.startswith(f"{mark} ") and entry["did"]:
            found[said] += len(entry["did"])
    return found


def overdue(scene: Scene) -> list[tuple[str, str]]:
    """Messages that should have gone out, whoever's they are."""
    return scene.rows(
        "SELECT topic, title FROM outbox_messages WHERE sent_at IS NULL AND dead_at IS NULL AND next_attempt_at < now()"
    )


def storage(scene: Scene, _: Crowd) -> None:
    """Every row has its bytes; bytes that have none are swept, and no others."""
    environ = scene.stack.program_environ()
    folder = Path(urlsplit(environ["FILES_URL"]).path)
    before = set(_stored(folder))
    swept = last_line("-c", _CLEAN, environ=environ)
    rows = scene.rows("SELECT storage_key, size, has_thumbnail FROM files")
    wanted = {key: size for key, size, _ in rows}
    kept = _stored(folder)
    print(f"{len(rows)} files; {swept}")
    assert {key: size for key, size in kept.items() if not key.endswith(".thumbnail")} == wanted
    assert {key for key in kept if key.endswith(".thumbnail")} == {
        f"{key}.thumbnail" for key, _, small in rows if small
    }
    assert set(kept) <= before


def _stored(folder: Path) -> dict[str, int]:
    return {str(one.relative_to(folder)): one.stat().st_size for one in folder.rglob("*") if one.is_file()}


# Each raises AssertionError for what is missing, what is there twice, and what nobody was answered.
COUNTS: dict[str, Callable[[Scene, Crowd], None]] = {
    one.__name__: one for one in (heartbeats, agents, scans, forms, requests, records, messages, storage)
}
