"""入退管理 in 探す: the looks of states by kind, and further words that people call its pages by."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.ui.status import Status

STATES: Mapping[str, Mapping[str, Status]] = {}
PAGE_WORDS = {
    "in-nursery": "登園 降園 いま 何人 未降園",
    "entry-exit-logs": "入退ログ 登園 降園 履歴 打刻",
    "attendance": "出席 欠席 遅刻 早退",
    "entries-statistics": "集計 グラフ 遅れ",
    "parents": "親 家族 保護者カード QRコード バーコード",
    "children": "こども 子ども 児童 組 クラス",
    "nursery": "入退登録端末 タブレット パスワード アーカイブ",
    "nurseries": "園 施設",
}
