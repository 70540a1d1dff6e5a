"""Forms and dialogs of a partner shop: register, edit, blacklist, archive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards import session
from dashboards.contract.reservations import FIELDS, ShopsShopItem
from dashboards.reservations import choices, words
from dashboards.ui import confirm
from dashboards.ui.fields import Choices, Text, Time
from dashboards.ui.records import Record


def _service_options(shop: Mapping[str, Any]) -> dict[int, str]:
    """The options, and the selected services: a service that was added just now may still be missing in the options."""
    options: dict[int, str] = choices.services() | shop.get("names", {})
    return options | {key: f"（サービス{key}）" for key in shop.get("services", []) if key not in options}


def _services_in_words(shop: Mapping[str, Any]) -> str:
    return "、".join(name for key, name in _service_options(shop).items() if key in shop["services"])


SHOP = Record(
    key="reservations.shop",
    path="/api/reservations/shops",
    name=lambda shop: f"提携店「{shop['name']}」",
    fields=(
        Text(
            "code",
            "店舗コード",
            30,
            required=True,
            placeholder="S001",
            help="半角の英数字・ハイフン・下線で入力します。取り込みでは、このコードで同じ店舗かどうかを判断します。",
        ),
        Text("name", "店舗名", 100, required=True, placeholder="フラワー銀座"),
        Text(
            "phone",
            FIELDS["phone"],
            30,
            required=True,
            placeholder="03-1234-5678",
            help="自動音声の電話をかける番号です。市外局番から入力してください。",
        ),
        Text(
            "mail",
            FIELDS["mail"],
            254,
            placeholder="ginza@flower.example",
            help="予約の確定や取り消しをお知らせします。登録すると、提携店向けマニュアルを自動でメールします。",
        ),
        Text("contact_name", FIELDS["contact_name"], 100, placeholder="佐藤 花"),
        Time("opens_at", FIELDS["opens_at"], words.clock, default="09:00:00", half="left"),
        Time("closes_at", FIELDS["closes_at"], words.clock, default="20:00:00", half="right"),
        Choices(
            "closed_weekdays",
            FIELDS["closed_weekdays"],
            lambda _: words.WEEKDAYS,
            lambda shop: words.days(shop["closed_weekdays"]),
            placeholder=words.NONE,
            help="この曜日には電話をかけません。",
        ),
        Choices(
            "services",
            FIELDS["service"],
            _service_options,
            _services_in_words,
            placeholder="取り扱うサービスを選ぶ",
            help="新しく加えたサービスでは、最後に電話をかけます。順番は「電話をかける順番」で変更できます。",
        ),
        Text("note", FIELDS["note"], 1000, height=80),
    ),
    archiving="一覧と、電話をかける順番から外れます。これまでの予約と履歴は残り、あとで元に戻せます。"
    "元に戻すと、順番の最後に加わります。",
    restoring="一覧に戻り、取り扱うサービスの順番の最後に加わります。",
    further=("names",),
)


def new() -> None:
    SHOP.new("提携店を登録する", lambda shop: f"{shop['name']}を登録しました。", icon="add_business")


def edit(shop: ShopsShopItem) -> None:
    names = {service["id"]: service["name"] for service in shop["services"]}
    SHOP.edit({**shop, "phone": shop["phone_shown"], "services": [*names], "names": names})


def blacklist(shop: ShopsShopItem) -> None:
    confirm.confirm(
        f"reservations.shop.blacklist.{shop['id']}",
        f"提携店「{shop['name']}」を利用停止にしますか？",
        "この店舗には、これから電話をかけなくなります。手配中の予約は、次の店舗へ進みます。"
        "順番はそのまま残り、あとで解除できます。",
        action="利用停止にする",
        do=lambda reason, idempotency_key: session.api().post(
            f"{SHOP.path}/{shop['id']}/blacklist", {"reason": reason}, idempotency_key=idempotency_key
        ),
        success=f"{shop['name']}を利用停止にしました。",
        reason="required",
    )


def lift(shop: ShopsShopItem) -> None:
    confirm.confirm(
        f"reservations.shop.lift.{shop['id']}",
        f"提携店「{shop['name']}」の利用停止を解除しますか？",
        "新しい予約から、元の順番でまた電話をかけます。",
        action="解除する",
        do=lambda reason, idempotency_key: session.api().post(
            f"{SHOP.path}/{shop['id']}/lift", {"reason": reason}, idempotency_key=idempotency_key
        ),
        success=f"{shop['name']}の利用停止を解除しました。",
        reason="required",
        danger=False,
    )
