"""What can go wrong in a line: every fault that the product's code offers, and a choice among them by a seed."""

from __future__ import annotations

import ast
import hashlib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOMS = ["service", "jobs", "dashboards", "agent", "stack"]
AREAS = ("fleet", "entries", "loaners", "agencies", "reservations")
# Code that runs once, for data or on other machines, and what only shows the product off.
LEFT_OUT = ("service/migrations/", "service/demo/", "dashboards/gallery", "stack/bootstrap.py", "agent/simulator/")
OFF_BY_ONE = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
# Functions whose call is a line of the audit log or a message to others.
WRITTEN_DOWN = {"audit": {"record", "record_many"}, "outbox": {"publish"}}
OPEN = 'vars(__import__("service.core.access.auth", fromlist=["SignedIn"]))["SignedIn"].__metadata__[0]'
SQL_CONDITION = re.compile(r"\b(WHERE|AND) (?!true\b)[\w.]+ (?:=|<|>|<=|>=|<>) (?::[\w.]+|[\w.]+\b(?!\())")


@dataclass(frozen=True)
class Fault:
    """`old` at `start` of the file's text becomes `new`; `body` are the lines of the function that it is in, or of all
    functions of the file where it is in none."""

    kind: str
    path: str
    line: int
    name: str
    start: int
    old: str
    new: str
    body: range

    @property
    def area(self) -> str:
        return next((area for area in AREAS if area in re.split(r"[/.]", self.path)), "core")

    @property
    def title(self) -> str:
        """On one line of at most 100 characters."""
        shown = " ".join(self.old.split())
        return f"{self.path}:{self.line} {self.kind}: {shown[:100]}"

    def apply(self, root: Path) -> None:
        path = root / self.path
        text = path.read_text()
        assert text[self.start : self.start + len(self.old)] == self.old, self.title
        path.write_text(text[: self.start] + self.new + text[self.start + len(self.old) :])


def of_file(root: Path, path: Path) -> Iterator[Fault]:
    text = path.read_text()
    beginnings = [0, *itertools.accumulate(len(line) for line in text.splitlines(keepends=True))]
    encoded = [line.encode() for line in text.splitlines(keepends=True)]

    def place(line: int, column: int) -> int:
        """The column of ast counts bytes, not characters."""
        return beginnings[line - 1] + len(encoded[line - 1][:column].decode())

    def visit(node: ast.AST, name: str, body: range) -> Iterator[Fault]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name, body = f"{name}.{node.name}", range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
        for part, kind, new in _mutations(node):
            assert part.end_lineno is not None
            assert part.end_col_offset is not None
            start, end = place(part.lineno, part.col_offset), place(part.end_lineno, part.end_col_offset)
            old = text[start:end]
            relative = str(path.relative_to(root))
            yield Fault(kind, relative, part.lineno, name, start, old, new.replace("…", old), body)
        for field, value in ast.iter_fields(node):
            inside = body if field != "decorator_list" else range(0)
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from visit(child, name, inside)

    yield from visit(ast.parse(text), "", range(0))


def _mutations(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    """(what is replaced, the kind of fault, by what; … is what stood there)."""
    if isinstance(node, ast.If | ast.IfExp | ast.While) and not _is_constant(node.test):
        yield node.test, "condition", "(not (…))"
    if isinstance(node, ast.comprehension):
        yield from ((test, "condition", "(not (…))") for test in node.ifs)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OFF_BY_ONE:
        left, right = node.left, node.comparators[0]
        if _counts(left) or _counts(right):
            sign = OFF_BY_ONE[type(node.ops[0])]
            yield node, "limit", f"(({ast.unparse(left)}) {sign} ({ast.unparse(right)}))"
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "allow":
            yield node, "permission", OPEN
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("where", "filter_by") and node.args:
            yield node, "where", f"({ast.unparse(node.func.value)})"
    if isinstance(node, ast.Expr) and _writes_down(node.value):
        yield node, "audit or outbox", "None"
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and (found := SQL_CONDITION.search(node.value)):
        changed = node.value.replace(found[0], f"{found[1]} true", 1)
        yield node, "where", repr(changed)


def _counts(side: ast.expr) -> bool:
    """A number, a constant of the module, or a length: of two moments in time nobody ever sees that they are equal."""
    if isinstance(side, ast.Call):
        return isinstance(side.func, ast.Name) and side.func.id == "len"
    if isinstance(side, ast.Name | ast.Attribute):
        return (side.id if isinstance(side, ast.Name) else side.attr).isupper()
    return isinstance(side, ast.Constant) and isinstance(side.value, int)


def _is_constant(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) or (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING")


def _writes_down(call: ast.expr) -> bool:
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    owner = call.func.value
    return isinstance(owner, ast.Name) and call.func.attr in WRITTEN_DOWN.get(owner.id, ())


def every(root: Path) -> list[Fault]:
    paths = sorted(path for room in ROOMS for path in (root / room).rglob("*.py"))
    kept = [path for path in paths if not str(path.relative_to(root)).startswith(LEFT_OUT)]
    return [fault for path in kept for fault in of_file(root, path)]


def chosen(faults: list[Fault], seed: str, count: int) -> list[Fault]:
    """Spread over kinds, rooms and areas; a seed chooses the same places as long as their code stays the same."""
    groups: dict[tuple[str, str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.kind, fault.path.partition("/")[0], fault.area), []).append(fault)
    drawn = {group: sorted(found, key=lambda fault: _draw(seed, fault)) for group, found in groups.items()}
    # Kinds in turn, and within each the groups in turn: the first of each, then the second of each.
    by_kind = {
        kind: itertools.chain.from_iterable(
            sorted(filter(None, row), key=lambda fault: _draw(seed, fault))
            for row in itertools.zip_longest(*(found for group, found in drawn.items() if group[0] == kind))
        )
        for kind in sorted({group[0] for group in groups})
    }
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_kind.values()))
    return list(itertools.islice(filter(None, turns), count))


def _draw(seed: str, fault: Fault) -> str:
    return hashlib.sha256("\0".join((seed, fault.kind, fault.path, fault.name, fault.old)).encode()).hexdigest()
