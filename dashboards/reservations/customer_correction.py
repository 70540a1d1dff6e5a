"""連絡先を訂正する: corrects the customer's name, number and address, with a reason. What was sent to the wrong
address is sent again."""

from __future__ import annotations

from dashboards.contract.reservations import ReservationDetail
from dashboards.reservations.actions import Back
from dashboards.reservations.operation_actions import reservation_label, target
from dashboards.session import has_permission
from dashboards.ui import dialogs
from dashboards.ui.fields import Text

KEY = "reservations.customer"


def button(reservation: ReservationDetail, back: Back) -> None:
    if has_permission("reservations:reservation:operate"):
        dialogs.button("連絡先を訂正する", correct, reservation, back, key=f"{KEY}.open", icon="edit")


def correct(reservation: ReservationDetail, back: Back) -> None:
    target(reservation, back).ask(
        "customer",
        f"{reservation_label(reservation)}の連絡先を訂正",
        (
            Text("customer_name", "依頼者の名前", 100, required=True),
            Text("phone", "電話番号", 30, required=True),
            Text("mail", "メールアドレス", 254),
            Text("reason", "理由", 500, required=True, placeholder="お電話で正しい番号を伺った"),
        ),
        values={**reservation, "phone": reservation["phone_shown"]},
        icon="edit",
        submit="訂正する",
        done="連絡先を訂正しました。",
        intro=_consequence(reservation),
    )


def _consequence(reservation: ReservationDetail) -> str:
    text = "電話番号を訂正すると、前の番号に送ったキャンセルなどのリンクは使えなくなります。"
    if reservation["state"] in ("calling_success", "awaiting_payment"):
        return f"{text}決済リンクを作り直して新しい番号に送り、決済の10分間は届いてから数え直します。"
    if reservation["state"] in ("expiring", "completed"):
        return text
    return f"{text}今の状況のお知らせを、訂正した電話番号とメールアドレスに送り直します。"
