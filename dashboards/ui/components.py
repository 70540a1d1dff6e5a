"""Our own parts of a page, for what Streamlit has not: plain scripts, without a build step.

Streamlit serves the scripts as files from our own origin: an inline script would run from a blob, which our policy
refuses. Streamlit finds such files by the manifest of an installed package. We are not a package, so the manifest is
registered here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

FOLDER = "components"


def component(name: str, html: str, *, css: str = "files.css") -> Callable[..., Any]:
    """Our component with this name: its script and its style sheet in `dashboards/components`."""
    # Each Streamlit process and each AppTest has its own manager.
    manager = get_bidi_component_manager()
    if manager.get_component_asset_root(f"genba.{name}") is None:
        components = [ComponentConfig(script_path.stem, FOLDER) for script_path in _folder().glob("*.js")]
        manager.register_from_manifest(ComponentManifest("genba", "0", components), _folder().parent)
    return _renderer(name, html, css)


@cache
def _renderer(name: str, html: str, css: str) -> Callable[..., Any]:
    return st.components.v2.component(f"genba.{name}", html=html, css=css, js=f"{name}.js")


def _folder() -> Path:
    return Path(__file__).parents[1] / FOLDER
