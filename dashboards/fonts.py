"""`python -m dashboards.fonts`: subsets the installed Noto Sans JP to the characters of Japanese business.

16 MB of font become 1.4 MB per weight, served from dashboards/static/fonts. Other characters, as in a rare name, are
drawn by the page's next font.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import brotli
from fontTools import subset
from fontTools.ttLib import woff2

FOLDER = Path(__file__).parent / "static" / "fonts"
STAMP = FOLDER / "built-from.txt"
WEIGHTS = ("Regular", "Bold")
# Raise it when the subset changes, so that installed copies are built again.
RECIPE = 1
# Kanji of family and place names, and signs, that Windows' Japanese character set does not have.
EXTRA = "𠮷㐂𠮟塚瀨邉葛祇鄧曻閒彅俱剝塡頰〜−–—•…€™©®✓✔①⑯⑰⑱⑲⑳"
# Files are 10 % larger than at the default of 11, and built in a thirtieth of the time.
BROTLI_QUALITY = 9


def characters() -> set[int]:
    """Code page 932 (JIS X 0208 with the NEC and IBM extensions: ～①㈱髙﨑), Latin-1, and EXTRA."""
    ascii_and_extra = set(range(0x20, 0x7F)) | set(range(0xA0, 0x100)) | {ord(character) for character in EXTRA}
    return ascii_and_extra | {code for code in range(0x100, 0x10000) if chr(code).encode("cp932", "ignore")}


def package(weight: str) -> str:
    return f"noto-cjk-sans-jp-{weight.lower()}"


def source(weight: str) -> Path:
    """The full font, as installed from its wheel."""
    spec = find_spec(package(weight).replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package(weight)} is not installed; see requirements.txt")
    return Path(spec.submodule_search_locations[0]) / f"NotoSansCJKjp-{weight}.otf"


def target(weight: str) -> Path:
    return FOLDER / f"NotoSansJP-{weight}.woff2"


def build(weight: str) -> None:
    """Writes one weight as WOFF2, completely or not at all."""
    # fontTools has no setting for the compression quality.
    woff2.brotli = SimpleNamespace(
        compress=partial(brotli.compress, quality=BROTLI_QUALITY), MODE_FONT=brotli.MODE_FONT
    )
    options = subset.Options(
        hinting=False,
        layout_features=[],
        notdef_outline=True,
        name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14],  # With copyright and licence, as the OFL requires.
        drop_tables=[*subset.Options().drop_tables, "GSUB", "GPOS", "BASE", "VORG", "vhea", "vmtx"],
    )
    partial_file = target(weight).with_suffix(".part")
    with subset.load_font(str(source(weight)), options) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=characters())
        subsetter.subset(font)
        font.flavor = "woff2"
        font.save(partial_file)
    partial_file.replace(target(weight))


def main() -> None:
    versions = ", ".join(f"{package(weight)} {version(package(weight))}" for weight in WEIGHTS)
    stamp = f"{versions}, recipe {RECIPE}\n"
    if STAMP.exists() and STAMP.read_text() == stamp and all(target(weight).exists() for weight in WEIGHTS):
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(len(WEIGHTS)) as pool:
        list(pool.map(build, WEIGHTS))
    STAMP.write_text(stamp)
    sizes = ", ".join(f"{target(weight).name} {target(weight).stat().st_size / 1e6:.1f} MB" for weight in WEIGHTS)
    sys.stdout.write(f"fonts: {sizes}\n")


if __name__ == "__main__":
    main()
