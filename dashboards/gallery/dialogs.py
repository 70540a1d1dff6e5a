"""確認 and 競合."""

from __future__ import annotations

import streamlit as st

from dashboards.gallery.samples import SERVICE_DOWN, state
from dashboards.ui import confirm, conflict, flash

LABELS = {"store_name": "設置店舗名", "contact": "担当者", "phone": "電話番号", "fee": "月額料金（円）", "note": "備考"}
YOURS = {"store_name": "新宿店 レジ2番", "contact": "青木 誠", "phone": "03-1234-5678", "fee": 5500, "note": ""}
NEWEST = {
    "store_name": "新宿店 レジ1番",
    "contact": "青木 誠",
    "phone": "03-9999-0000",
    "fee": 5500,
    "note": "鍵は警備室",
}


def dialogs() -> None:
    with (
        state("confirm", "確認ダイアログ", "元に戻せない操作と、外部へ送る操作の前に一度だけ確認します。"),
        st.container(horizontal=True),
    ):
        if st.button("端末を削除する", key="gallery_confirm.delete"):
            confirm.confirm(
                "gallery_delete",
                "端末 TC200-000123 を削除しますか？",
                "ABC商事 - 新宿店 レジ1番の端末を一覧から外します。この操作は元に戻せません。",
                action="削除する",
                do=lambda _reason, _key: None,
                success="端末 TC200-000123 を削除しました。",
                reason="required",
            )
        if st.button("お知らせを送信する", key="gallery_confirm.send"):
            confirm.confirm(
                "gallery_send",
                "お知らせメールを48社へ送信しますか？",
                "送信したメールは取り消せません。",
                action="48社へ送信する",
                do=lambda _reason, _key: None,
                success="お知らせメールを48社へ送信しました。",
                reason="optional",
                danger=False,
            )
        if st.button("失敗する操作", key="gallery_confirm.fail"):
            confirm.confirm(
                "gallery_fail",
                "予約 QRV-8F3K2A を取り消しますか？",
                "お客様に取り消しのSMSを送信し、全額を返金します。",
                action="取り消して返金する",
                do=_fail,
                success="取り消しました。",
            )
    with state("conflict", "編集の競合"):
        if st.button("保存する", key="gallery_conflict.save", type="primary"):
            conflict.conflict(
                "gallery_conflict",
                LABELS,
                YOURS,
                NEWEST,
                changed="山田 花子さんが 2026/11/21（土）9:05 に変更しました。",
                keep=lambda: flash.add("入力した内容を残しました。保存すると最新の内容を上書きします。"),
                load=lambda: flash.add("最新の内容を読み込みました。"),
            )


def _fail(_reason: str, _key: str) -> None:
    raise SERVICE_DOWN
