"""Rules and declarations of the loaners area: pure functions and constants."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from service.core.areas import ADMINISTRATOR_PERMISSIONS, STAFF_PERMISSIONS, Area, Role, Tick
from service.core.purposes import FileKind, Purpose
from service.core.values import labels
from service.core.values.labels import Labelled
from service.core.values.texts import normalised_header
from service.core.values.times import TOKYO


class Kind(Labelled):
    """機器種別: the master that a device belongs to, and the form that is used for it."""

    TERMINAL = "terminal", "端末"
    PRINTER = "printer", "プリンタ"
    OTHER = "other", "その他"


class ValueType(Labelled):
    """Of a custom column."""

    TEXT = "text", "文字"
    NUMBER = "number", "数字"
    DATE = "date", "日付"
    CHOICE = "choice", "選択"


class Group(StrEnum):
    """デバイスタイプ of the summary (3.1.3)."""

    SV = "SV"
    CL = "CL"
    PRINTER = "プリンタ"
    OTHER = "その他"


@dataclass(frozen=True)
class Category:
    """A row of the document's カテゴリマスタ (2.2.3) with its 略称 (3.2.2)."""

    title: str
    description: str
    abbreviation: str
    kind: Kind
    group: Group


# Predefined by the document; users cannot add any.
CATEGORIES = {
    "Desktop": Category("デスクトップ PC", "デスクトップコンピュータ", "Desktop", Kind.TERMINAL, Group.CL),
    "Laptop": Category("ノート PC", "ノートパソコン", "Laptop", Kind.TERMINAL, Group.CL),
    "Server": Category("サーバー", "サーバー機器", "SV", Kind.TERMINAL, Group.SV),
    "Tablet": Category("タブレット", "タブレット端末", "Tablet", Kind.TERMINAL, Group.CL),
    "Printer": Category("プリンタ", "プリンター機器", "Printer", Kind.PRINTER, Group.PRINTER),
    "Router": Category("ルーター", "ネットワークルーター", "Router", Kind.OTHER, Group.OTHER),
    "Hub": Category("ハブ", "ネットワークハブ・スイッチ", "Hub", Kind.OTHER, Group.OTHER),
    "Other": Category("その他", "その他機器", "Other", Kind.OTHER, Group.OTHER),
}


class Status(IntEnum):
    """0-4.ステータス."""

    LENT = 1
    COLLECTED = 2
    STORED = 3


class Deposit(IntEnum):
    """預り機のステータス (2.6.2)."""

    RETURNABLE = 1
    NEGOTIATING = 2
    REFUSED = 3
    MAINTAINED = 4


@dataclass(frozen=True)
class DepositLabels:
    """A row of the document's table: ステータス値, 説明, カテゴリ, 集計分類, and the card of the summary (3.1.3)."""

    title: str
    description: str
    category: str
    counted_as: str
    card: str


STATUS_LABELS = {Status.LENT: "1.貸出中", Status.COLLECTED: "2.回収後社内保管", Status.STORED: "3.社内にて保管中"}
HELD_LABELS = {True: "有り", False: "無し"}
DEPOSIT_LABELS = {
    Deposit.RETURNABLE: DepositLabels(
        "1.返却可能",
        "代替機を貸し出しているが修理が完了していつでも返却できる台数",
        "返却可能",
        "返却可能",
        "返却可能",
    ),
    Deposit.NEGOTIATING: DepositLabels(
        "2.商談や金額の問題で返却不可",
        "商談や金額の問題で返却出来ない台数",
        "返却不可",
        "商談中",
        "商談や金額の問題で返却不可",
    ),
    Deposit.REFUSED: DepositLabels(
        "3.お客様による返却拒否",
        "代替機を貸し出し中だが、お客様より代替機を使うので返却を拒否されている台数",
        "返却不可",
        "返却拒否",
        "お客様による返却拒否",
    ),
    Deposit.MAINTAINED: DepositLabels(
        "4.HW延長保守中(OS入れ替えやサービス終了を含む)",
        "HW 延長保守にて貸し出している台数 ※OS 入れ替えやサービス終了を含む",
        "貸し出し中",
        "保守対応中",
        "HW延長保守中",
    ),
}
labels.table("loaners", "DepositClass", {str(deposit.value): row.counted_as for deposit, row in DEPOSIT_LABELS.items()})
UNSET_LABEL = "未設定"

MAX_NUMBER_LENGTH, MAX_SERIAL_LENGTH, MAX_CODE_LENGTH = 100, 20, 20
MANAGEMENT_NUMBER = re.compile(
    r"(?P<site>[A-Z]{1,20})_(?P<category>[A-Za-z]+)_(?P<model>[A-Za-z0-9-]+)_(?P<serial>[A-Za-z0-9-]{1,20})"
    r"_(?P<running>[0-9]{3})"
)
_ABBREVIATIONS = frozenset(category.abbreviation for category in CATEGORIES.values())
_INVALID_IN_MODEL = re.compile(r"[^A-Za-z0-9-]")


def format_timestamp(at: datetime) -> str:
    """The document's format of timestamps (7.1): yyyy/MM/dd HH:mm:ss in Tokyo."""
    return at.astimezone(TOKYO).strftime("%Y/%m/%d %H:%M:%S")


def model_section(model_name: str) -> str:
    """The model name in a management number (3.2.3): only letters, digits and hyphens; "" when none is left."""
    return _INVALID_IN_MODEL.sub("", model_name)


def proposed_model_name(name: str) -> str:
    """A valid model name (2.2.2): hyphens instead of blanks and underscores."""
    return re.sub(r"[\s_]+", "-", unicodedata.normalize("NFKC", name).strip(" \t\r\n_"))


def model_name_refusal(name: str) -> str | None:
    """The error message for an invalid model name; None for a valid one."""
    if re.search(r"[\s_]", name):
        proposed = proposed_model_name(name)
        return (
            "機種名にスペースとアンダースコア（_）は使えません。ハイフン（-）を使い、"
            f"「{proposed}」のように入力してください。"
        )
    if not model_section(name):
        return "機種名に、拠点管理番号に使える半角の英数字を1文字以上入れてください（例: ThinkPad-X1-Carbon）。"
    return None


def management_number(site_code: str, category: str, model_name: str, serial: str, running: int) -> str:
    """Raises ValueError with a message for the user when the result is not a management number (3.4)."""
    model = model_section(model_name)
    if not model:
        raise ValueError(f"機種名「{model_name}」には管理番号に使える英数字がありません。")
    if not 1 <= running <= 999:
        raise ValueError("連番は001から999までです。")
    number = f"{site_code}_{CATEGORIES[category].abbreviation}_{model}_{serial}_{running:03}"
    if refusal := number_refusal(number):
        raise ValueError(refusal)
    return number


def number_refusal(number: str) -> str | None:
    """The error message for an invalid management number (3.4); None for a valid one."""
    if len(number) > MAX_NUMBER_LENGTH:
        return f"拠点管理番号は{MAX_NUMBER_LENGTH}文字以内にしてください（現在{len(number)}文字）。"
    parts = MANAGEMENT_NUMBER.fullmatch(number)
    if parts is None or parts["category"] not in _ABBREVIATIONS:
        return (
            "拠点管理番号は「拠点コード_カテゴリ_モデル_製造番号_連番」の形"
            "（例: OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001）で入力してください。"
        )
    return None


def normalize_number(text: str) -> str:
    """Normalizes a written number where its parts are clear: full-width letters become half-width ones, and the model
    part loses its symbols (3.2.3): iPad-Pro-12.9 becomes iPad-Pro-129."""
    plain = unicodedata.normalize("NFKC", text).strip()
    parts = plain.split("_")
    if len(parts) < 5:
        return plain
    site, category, *model, serial, running = parts
    return "_".join((site, category, model_section("".join(model)), serial, running))


STATUS_COLUMN = "0-4.ステータス"
# The columns of the audit's sheet in the document, A to M. A list can also show the columns after it.
AUDIT_COLUMNS = (
    "担当者",
    "資産管理番号",
    "拠点管理番号",
    "機種名",
    "製造番号",
    "ソフトウェア",
    "OS",
    "ステータス",
    "貸出先",
    "貸出日",
    "ユーザー預り機有",
    "お預かり証No.",
    "備考",
)
OTHER_COLUMNS = (
    "メーカー",
    "カテゴリ",
    "機器種別",
    "拠点",
    "管轄",
    "利用状況",
    "預かり機のステータス",
    "預り機のステータス",
    "返却予定日",
    "作成日",
    "作成日時",
    "更新日",
    "更新日時",
    "タイムスタンプ",
    "メールアドレス",
    "共通フォーム URL",
    "QR コード URL",
    "0-1.担当者",
    STATUS_COLUMN,
)
# Headers of a master's file. The first is the document's; the others are also accepted.
DEVICE_HEADERS = {
    "number": ("拠点管理番号", "管理番号", "識別番号"),
    "model_name": ("機種名", "モデル名", "製品名", "機種"),
    "category": ("カテゴリ", "機器分類", "カテゴリー", "分類"),
    "serial": ("製造番号", "シリアル番号", "シリアルナンバー", "S/N"),
    "asset_number": ("資産管理番号", "資産番号", "アセット番号"),
    "software": ("ソフトウェア", "SW", "インストールソフト"),
    "os": ("OS", "オペレーティングシステム"),
    "deposit": ("預かり機のステータス", "預り機のステータス"),
    "site_key": ("拠点ID", "拠点"),
    "created_at": ("作成日", "登録日", "作成日時"),
}
# More columns of the masters' exports.
_EXPORT_COLUMNS = ("別名", "追加の項目")
# Header of a question: 1-1.貸出先.
_QUESTION = re.compile(r"[0-9]+(-[0-9]+){1,2}[.．].+")


_TITLES_IN_USE = (
    *AUDIT_COLUMNS,
    *OTHER_COLUMNS,
    *_EXPORT_COLUMNS,
    *DEVICE_HEADERS,
    *(title for titles in DEVICE_HEADERS.values() for title in titles),
)
_FIXED_TITLES = frozenset(map(normalised_header, _TITLES_IN_USE))


def is_fixed_column(title: str) -> bool:
    """Whether a list or a file already has a column with this title, or a form's question has this header, in any width
    of letters. No custom column may have such a title."""
    normalized_width = unicodedata.normalize("NFKC", title).replace(" ", "")
    return normalised_header(title) in _FIXED_TITLES or _QUESTION.fullmatch(normalized_width) is not None


READ = frozenset(
    {
        "loaners:device:read",
        "loaners:form:read",
        "loaners:master:read",
        "loaners:stocktake:read",
        "loaners:view:read",
    }
)
# Submit forms, set deposits, transfer, lend.
WORK = frozenset({"loaners:device:work"})
COUNT = frozenset({"loaners:stocktake:update"})
MANAGE = frozenset(
    {
        "loaners:device:update",
        "loaners:form:update",
        "loaners:history:mark",
        "loaners:history:rotate",
        "loaners:master:update",
        "loaners:view:update",
    }
)

IMPORT_FILE = Purpose(
    key="loaners.import",
    kinds=frozenset({FileKind.CSV, FileKind.XLSX}),
    permission="loaners:master:update",
    read="loaners:master:update",
    max_bytes=20 * 1024 * 1024,
)

# The document's word for archived rows (3.1).
INACTIVE = "無効です"
AREA = Area(
    name="loaners",
    title="代替機管理",
    roles={
        "admin": Role("代替機管理者", READ | STAFF_PERMISSIONS | WORK | COUNT | MANAGE | ADMINISTRATOR_PERMISSIONS),
        "staff": Role("拠点担当者", READ | STAFF_PERMISSIONS | WORK | COUNT),
        "auditor": Role("監査担当者", READ | STAFF_PERMISSIONS | COUNT),
    },
    ticks={
        "loaners.remind": Tick("返却予定日の案内", timedelta(minutes=30)),
        "loaners.upkeep": Tick("履歴のローテーションと点検", timedelta(hours=1)),
    },
    subjects={
        "site": "拠点",
        "model": "機種",
        "column": "追加の列",
        "device": "機器",
        "event": "ステータス履歴",
        "form": "フォーム",
        "view": "データタイプ",
        "stocktake": "棚卸",
        "finding": "点検の指摘",
        "upkeep": "ローテーション・点検",
    },
    fields={
        "key": "ID",
        "code": "拠点コード",
        "name": "名前",
        "jurisdiction": "管轄",
        "group_mail": "グループメールアドレス",
        "notifies": "ステータス変更通知",
        "archived": "無効",
        "maker": "メーカー",
        "category": "カテゴリ",
        "note": "備考",
        "number": "拠点管理番号",
        "alias": "別名",
        "model_id": "機種",
        "site_id": "拠点",
        "serial": "製造番号",
        "asset_number": "資産管理番号",
        "software": "ソフトウェア",
        "os": "OS",
        "extra": "追加の項目",
        "kind": "機器種別",
        "title": "項目名",
        "value_type": "形式",
        "choices": "選択肢",
        "required": "必須",
        "position": "表示順序",
        "version": "版",
        "questions": "質問",
        "published": "公開",
        "description": "説明",
        "filter": "フィルタ条件",
        "source": "データソース設定",
        "columns": "表示列設定",
        "status": "ステータス",
        "held": "ユーザー機の預り有無",
        "deposit": "預り機のステータス",
        "effective_at": "発生日時",
        "answers": "回答",
        "reason": "理由",
        "cleared": "あわせて登録した内容",
        "marked": "除去",
        "rebuilt": "履歴からの作り直し",
        "device_id": "機器",
        "type": "回答の形式",
        "help": "説明文",
        "meaning": "意味",
        "when": "表示条件",
        "one_of": "条件の回答",
        "view": "データタイプ",
        "number_site_id": "管理番号の拠点",
        "group": "デバイスタイプ",
        "nested": "社内ステータス",
        "as_of": "時点",
        "since": "期間の始め",
        "until": "期間の終わり",
        "moved": "移管された機器",
        "q": "検索する語",
        "state": "返却の状況",
        "stale": "注意",
        "result": "結果",
        "room": "部屋",
        "id": "番号",
        "expected": "対象",
        "found": "確認済み",
        "elsewhere": "別の棚卸で確認済み",
        "missing": "未確認",
        "misplaced": "対象外の機器",
        "unknown": "未登録の番号",
        "closed": "終了",
        "dismissed": "問題なし",
        "events": "履歴の件数",
        "devices": "機器の台数",
        "findings": "指摘の件数",
        "different": "履歴と異なる機器",
    },
    values={
        "kind": Kind.labels(),
        "value_type": ValueType.labels(),
        "status": {str(status.value): label for status, label in STATUS_LABELS.items()},
        "deposit": {str(deposit.value): labels.title for deposit, labels in DEPOSIT_LABELS.items()},
    },
    purposes=(IMPORT_FILE,),
)
