"""What the loaners area decides: pure functions of facts and a clock."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from service.core.areas import ADMINISTRATION, EVERYDAY, Area, Role, Tick
from service.core.purposes import Kind as FileKind
from service.core.purposes import Purpose
from service.core.texts import normalised
from service.core.times import TOKYO


class Kind(StrEnum):
    """機器種別: which master a device stands in, and which form is filled in for it."""

    TERMINAL = "terminal"
    PRINTER = "printer"
    OTHER = "other"


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


# Predefined by the document: nobody adds one.
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
class DepositWords:
    """A row of the document's table: ステータス値, 説明, カテゴリ, 集計分類, and the card of the summary (3.1.3)."""

    title: str
    description: str
    category: str
    counted_as: str
    card: str


KIND_WORDS = {Kind.TERMINAL: "端末", Kind.PRINTER: "プリンタ", Kind.OTHER: "その他"}
STATUS_WORDS = {Status.LENT: "1.貸出中", Status.COLLECTED: "2.回収後社内保管", Status.STORED: "3.社内にて保管中"}
HELD_WORDS = {True: "有り", False: "無し"}
DEPOSIT_WORDS = {
    Deposit.RETURNABLE: DepositWords(
        "1.返却可能",
        "代替機を貸し出しているが修理が完了していつでも返却できる台数",
        "返却可能",
        "返却可能",
        "返却可能",
    ),
    Deposit.NEGOTIATING: DepositWords(
        "2.商談や金額の問題で返却不可",
        "商談や金額の問題で返却出来ない台数",
        "返却不可",
        "商談中",
        "商談や金額の問題で返却不可",
    ),
    Deposit.REFUSED: DepositWords(
        "3.お客様による返却拒否",
        "代替機を貸し出し中だが、お客様より代替機を使うので返却を拒否されている台数",
        "返却不可",
        "返却拒否",
        "お客様による返却拒否",
    ),
    Deposit.MAINTAINED: DepositWords(
        "4.HW延長保守中(OS入れ替えやサービス終了を含む)",
        "HW 延長保守にて貸し出している台数 ※OS 入れ替えやサービス終了を含む",
        "貸し出し中",
        "保守対応中",
        "HW延長保守中",
    ),
}
UNSET = "未設定"

LONGEST_NUMBER, LONGEST_SERIAL, LONGEST_CODE = 100, 20, 20
NUMBER = re.compile(
    r"(?P<site>[A-Z]{1,20})_(?P<category>[A-Za-z]+)_(?P<model>[A-Za-z0-9-]+)_(?P<serial>[A-Za-z0-9-]{1,20})"
    r"_(?P<running>[0-9]{3})"
)
_ABBREVIATIONS = frozenset(category.abbreviation for category in CATEGORIES.values())
_NOT_IN_A_MODEL = re.compile(r"[^A-Za-z0-9-]")


def written(moment: datetime) -> str:
    """As the document writes moments (7.1): yyyy/MM/dd HH:mm:ss in Tokyo."""
    return moment.astimezone(TOKYO).strftime("%Y/%m/%d %H:%M:%S")


def model_section(model_name: str) -> str:
    """A model's name as a management number has it (3.2.3): letters, digits and hyphens; "" when none is left."""
    return _NOT_IN_A_MODEL.sub("", model_name)


def proposed_model_name(name: str) -> str:
    """A model's name without what it may not have (2.2.2): hyphens for blanks and underscores."""
    return re.sub(r"[\s_]+", "-", unicodedata.normalize("NFKC", name).strip(" \t\r\n_"))


def model_name_refusal(name: str) -> str | None:
    """Why no model can be called so, in words; None when one can."""
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
    """Raises ValueError, in words, for what would be no management number (3.4)."""
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
    """Why it is no management number (3.4), in words; None when it is one."""
    if len(number) > LONGEST_NUMBER:
        return f"拠点管理番号は{LONGEST_NUMBER}文字以内にしてください（現在{len(number)}文字）。"
    parts = NUMBER.fullmatch(number)
    if parts is None or parts["category"] not in _ABBREVIATIONS:
        return (
            "拠点管理番号は「拠点コード_カテゴリ_モデル_製造番号_連番」の形"
            "（例: OSAKA_SV_ThinkPad-X1-Carbon_ABC12345_001）で入力してください。"
        )
    return None


def normal_number(text: str) -> str:
    """A number as somebody wrote it, brought to the grammar as far as its parts tell: full-width letters become plain
    ones, and the model's section loses its symbols (3.2.3), so that iPad-Pro-12.9 is iPad-Pro-129."""
    plain = unicodedata.normalize("NFKC", text).strip()
    parts = plain.split("_")
    if len(parts) < 5:
        return plain
    site, category, *model, serial, running = parts
    return "_".join((site, category, model_section("".join(model)), serial, running))


STATUS_COLUMN = "0-4.ステータス"
# The audit's sheet as the document lays it out, A to M; the rest of what a list can show comes after it.
AUDIT_SHEET = (
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
OTHERS = (
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
# A master's file has its columns under these titles; the first is the document's, the others are in use as well.
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
# What the masters' files have beside these.
_OF_FILES = ("別名", "追加の項目")
# Of a question: 1-1.貸出先.
_QUESTION = re.compile(r"[0-9]+(-[0-9]+){1,2}[.．].+")


_TITLES = (
    *AUDIT_SHEET,
    *OTHERS,
    *_OF_FILES,
    *DEVICE_HEADERS,
    *(title for one in DEVICE_HEADERS.values() for title in one),
)
_FIXED = frozenset(map(normalised, _TITLES))


def is_fixed_column(title: str) -> bool:
    """A column that some list or file has anyway, under this title or another, or that a form's question brings along:
    none may be added that is called so, in whichever width of letters."""
    plain = unicodedata.normalize("NFKC", title).replace(" ", "")
    return normalised(title) in _FIXED or _QUESTION.fullmatch(plain) is not None


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

# The document's word for what is archived (3.1).
INACTIVE = "無効です"
AREA = Area(
    name="loaners",
    title="代替機管理",
    roles={
        "admin": Role("代替機管理者", READ | EVERYDAY | WORK | COUNT | MANAGE | ADMINISTRATION),
        "staff": Role("拠点担当者", READ | EVERYDAY | WORK | COUNT),
        "auditor": Role("監査担当者", READ | EVERYDAY | COUNT),
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
        "model_id": "機種ID",
        "site_id": "拠点ID",
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
        "marked": "除去",
        "rebuilt": "履歴からの作り直し",
        "device_id": "機器",
        "type": "回答の形式",
        "help": "説明文",
        "meaning": "意味",
        "when": "表示条件",
        "one_of": "条件の回答",
        "view": "データタイプ",
        "number_site_id": "管理番号の拠点ID",
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
        "kind": {kind.value: word for kind, word in KIND_WORDS.items()},
        "status": {str(status.value): word for status, word in STATUS_WORDS.items()},
        "deposit": {str(deposit.value): words.title for deposit, words in DEPOSIT_WORDS.items()},
    },
    purposes=(IMPORT_FILE,),
)
