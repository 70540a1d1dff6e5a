"""Services and their sizes: the fields that users edit, and the forms of new ones."""

from __future__ import annotations

from dashboards.contract.reservations import FIELDS, ServiceDetail
from dashboards.reservations import words
from dashboards.ui.fields import Number, Text
from dashboards.ui.records import Record

_CODE_HELP = (
    "半角の小文字・数字・ハイフンで入力します。AIアシスタントとファイルの取り込みで使い、あとから変更できません。"
)
# A new row comes last.
_POSITION = Number("position", "表示順", 0, 10_000, help="小さい番号から順に並びます。", when="edit")

SERVICE = Record(
    key="reservations.service",
    path="/api/reservations/services",
    name=lambda service: f"サービス「{service['name']}」",
    fields=(
        Text("code", FIELDS["code"], 30, required=True, placeholder="bouquet", help=_CODE_HELP, when="new"),
        Text("name", "サービス名", 100, required=True, placeholder="花束"),
        Text(
            "description",
            FIELDS["description"],
            500,
            height=100,
            help="AIアシスタントが依頼者に伝える説明です。",
        ),
        _POSITION,
    ),
    archiving="新しい予約を受け付けなくなります。受け付け済みの予約はそのまま進み、あとで元に戻せます。",
    restoring="新しい予約を、もう一度受け付けられるようになります。",
)
PLAN = Record(
    key="reservations.plan",
    path="/api/reservations/plans",
    name=lambda plan: f"サイズ「{plan['name']}」",
    fields=(
        Text("code", FIELDS["code"], 30, required=True, placeholder="m", help=_CODE_HELP, when="new"),
        Text("name", FIELDS["plan"], 100, required=True, placeholder="M（約20本）"),
        Number(
            "price",
            "料金（円、税込）",
            50,
            9_999_999,
            required=True,
            step=100,
            placeholder="5500",
            help="これから受け付ける予約の料金です。受け付け済みの予約の料金は変わりません。",
            words=words.yen,
        ),
        _POSITION,
    ),
    archiving="このサイズの予約を受け付けなくなります。受け付け済みの予約はそのまま進み、あとで元に戻せます。",
    restoring="このサイズの予約を、もう一度受け付けられるようになります。",
)


def new() -> None:
    SERVICE.new(
        "サービスを登録する",
        lambda service: f"{service['name']}を登録しました。「詳細」からサイズと料金を追加してください。",
    )


def new_plan(service: ServiceDetail) -> None:
    PLAN.new(
        f"{service['name']}のサイズ・料金を追加する",
        lambda plan: f"{service['name']}に「{plan['name']}」を追加しました。",
        path=f"{SERVICE.path}/{service['id']}/plans",
    )
