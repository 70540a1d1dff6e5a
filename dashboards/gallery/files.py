"""ファイル: choosing, uploading, showing and enlarging."""

from __future__ import annotations

import streamlit as st

from dashboards.gallery.samples import state
from dashboards.ui import files as shared
from dashboards.ui.files import DOCUMENTS, IMAGES, File
from dashboards.ui.text import small

SAMPLES = [
    File("1", "電気メーター.svg", 48_210, "image/svg+xml", "/app/static/samples/meter.svg"),
    File("2", "検針票_新宿店.svg", 61_440, "image/svg+xml", "/app/static/samples/slip.svg"),
    File("3", "利用規約.pdf", 1_204_800, "application/pdf", "/app/static/samples/slip.svg"),
]


def files() -> None:
    with state("upload", "選択と送信"):
        uploaded = shared.upload(
            "gallery_upload",
            "検針票の写真",
            purpose="gallery",
            max_files=5,
            help="スマートフォンで撮った写真も選べます。",
        )
        if uploaded:
            st.markdown(small(f"送信済み: {'、'.join(file.name for file in uploaded)}"))
    with state("upload.one", "1つだけ選ぶとき"):
        kinds = IMAGES | DOCUMENTS
        shared.upload(
            "gallery_upload_one", "契約書", purpose="gallery", kinds=kinds, max_files=1, max_bytes=1024 * 1024
        )
    with state("previews", "一覧と拡大", "画像をクリックすると拡大し、回転や前後の画像への移動ができます。"):
        shared.previews("gallery_previews", SAMPLES)
