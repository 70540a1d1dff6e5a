"""The typesetting process: JSON on its standard input, PDF on its standard output.

`typeset` starts it as a plain script in Python's isolated mode: it imports nothing of the product, has none of its
environment, and frees all memory when it ends.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any

import typst

TEMPLATES = Path(__file__).parent / "typst"
FONTS = ("noto_cjk_sans_jp_regular", "noto_cjk_sans_jp_bold")
# No report needs more; one that does must not use up the machine's memory.
MEMORY = 2 * 1024**3
QR_QUIET = 4
# Exit status: a code does not fit on its label.
UNFIT = 3


def font_folders() -> list[str]:
    """Where the fonts' wheels are installed."""
    specs = [find_spec(name) for name in FONTS]
    folders = [folder for spec in specs if spec for folder in spec.submodule_search_locations or ()]
    if len(folders) != len(FONTS):
        raise SystemExit(f"not all of {', '.join(FONTS)} are installed; see requirements.txt")
    return folders


def limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def svg(rows: list[str]) -> str:
    """Rows of modules (1 dark, 0 light) as one path; separate shapes would have hairlines between them."""
    path = []
    for y, row in enumerate(rows):
        x = 0
        for dark, run in groupby(row):
            length = len(list(run))
            if dark == "1":
                path.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(rows[0])} {len(rows)}" width="{len(rows[0])}" '
        f'height="{len(rows)}" preserveAspectRatio="none"><path d="{"".join(path)}"/></svg>'
    )


def qr(code: str, max_modules: int) -> list[str]:
    """The modules with the quiet zone; ends the process with UNFIT when there are more than `max_modules` in a row."""
    import segno  # not at the top: reports do not need it

    border = [0] * QR_QUIET
    rows = [border + [module & 1 for module in row] + border for row in segno.make_qr(code, error="m").matrix]
    light = [[0] * len(rows[0])] * QR_QUIET
    if len(rows[0]) > max_modules:
        sys.stderr.write(code)
        raise SystemExit(UNFIT)
    return ["".join(map(str, row)) for row in [*light, *rows, *light]]


def draw_codes(data: dict[str, Any]) -> None:
    """Adds the SVG of each code to labels and cards."""
    for page in data.get("pages", ()):
        for label in page:
            for code in label.get("codes", (label,)):
                code["svg"] = svg(code.get("modules") or qr(code["qr"], code["most"]))


def main() -> None:
    limit_memory()
    job = json.load(sys.stdin.buffer)
    draw_codes(job["data"])
    # Files in memory: a template can read these and nothing else.
    files: dict[str, bytes] = {path.name: path.read_bytes() for path in TEMPLATES.glob("*.typ")}
    files["main.typ"] = files.pop(job["template"])
    pdf, warnings = typst.compile_with_warnings(  # type: ignore[call-overload]  # its stubs forget the files as a dict
        files,
        font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=font_folders()),
        ignore_system_fonts=True,
        sys_inputs={"data": json.dumps(job["data"], ensure_ascii=False)},
        timestamp=job["timestamp"],
        pdf_tags=job["tagged"],
    )
    sys.stderr.write("".join(f"{warning.message}\n" for warning in warnings))
    sys.stdout.buffer.write(pdf)


if __name__ == "__main__":
    main()
