"""Building the font subset: it has every character of Japanese business, is written completely or not at all, and
only when needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from fontTools.ttLib import TTFont, woff2

from dashboards import fonts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(fonts, "FOLDER", tmp_path)
    monkeypatch.setattr(fonts, "STAMP", tmp_path / "built-from.txt")
    return tmp_path


class Pool:
    """Replaces the pool of processes: only records what it was asked to build."""

    built: list[str]

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, build: object, weights: tuple[str, ...]) -> list[None]:
        for weight in weights:
            Pool.built.append(weight)
            fonts.target(weight).write_bytes(b"font")
        return []


def test_common_names_and_signs_are_in_the_subset() -> None:
    included = fonts.characters()

    assert {ord(character) for character in "あア亜ｱ髙﨑①㈱～〒￥−—…€é塚邉𠮷Az09"} <= included
    assert len(included) < 12_000


@pytest.mark.parametrize("weight", fonts.WEIGHTS)
def test_the_full_font_comes_from_its_wheel(weight: str) -> None:
    assert fonts.source(weight).is_file()


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "package", lambda _: "noto-cjk-of-nowhere")

    with pytest.raises(SystemExit, match="noto-cjk-of-nowhere is not installed"):
        fonts.source("Regular")


def test_the_subset_has_the_requested_characters_and_its_licence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "characters", lambda: {ord(character) for character in "現場Genba"})

    with monkeypatch.context() as patch:
        patch.setattr(woff2, "brotli", woff2.brotli)
        fonts.build("Regular")

    assert [file.name for file in folder.iterdir()] == ["NotoSansJP-Regular.woff2"]
    with TTFont(fonts.target("Regular")) as font:
        assert font.flavor == "woff2"
        assert set(map(chr, font.getBestCmap())) == set("現場Genba")
        assert "SIL Open Font License" in str(font["name"].getDebugName(13))


def test_an_interrupted_build_leaves_the_old_font(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fonts.target("Regular").write_bytes(b"old")
    monkeypatch.setattr(fonts, "characters", lambda: {ord("現")})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TTFont, "save", interrupted)

    monkeypatch.setattr(woff2, "brotli", woff2.brotli)
    with pytest.raises(KeyboardInterrupt):
        fonts.build("Regular")

    assert fonts.target("Regular").read_bytes() == b"old"


def test_fonts_are_built_once_and_again_when_one_is_missing_or_the_recipe_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Pool.built = []
    monkeypatch.setattr(fonts, "ProcessPoolExecutor", Pool)

    fonts.main()
    assert Pool.built == ["Regular", "Bold"]
    assert "NotoSansJP-Regular.woff2" in capsys.readouterr().out

    fonts.main()
    assert Pool.built == ["Regular", "Bold"]
    assert capsys.readouterr().out == ""

    fonts.target("Bold").unlink()
    fonts.main()
    assert len(Pool.built) == 4

    monkeypatch.setattr(fonts, "RECIPE", fonts.RECIPE + 1)
    fonts.main()
    assert len(Pool.built) == 6
