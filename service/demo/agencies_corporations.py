"""Who the demo's agencies apply for: invented 法人, 屋号 and persons, at places that there are. Their 法人番号 name a
registry that does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from service.agencies.fields.rules import check_digit

# 郵便番号, 都道府県, 市区町村, 町域.
Place = tuple[str, str, str, str]
# 契約者名 and its kana (a person's with a blank between), place, 番地, 業種, where it is not at the place's name.
Known = tuple[str, str, int, str, str, Sequence[str]]

PLACES: Mapping[str, Sequence[Place]] = {
    "AAA": (
        ("1500002", "東京都", "渋谷区", "渋谷"),
        ("1600022", "東京都", "新宿区", "新宿"),
        ("1710022", "東京都", "豊島区", "南池袋"),
        ("1500043", "東京都", "渋谷区", "道玄坂"),
        ("1500001", "東京都", "渋谷区", "神宮前"),
        ("1600023", "東京都", "新宿区", "西新宿"),
        ("1010021", "東京都", "千代田区", "外神田"),
        ("1040061", "東京都", "中央区", "銀座"),
        ("1060032", "東京都", "港区", "六本木"),
        ("1050004", "東京都", "港区", "新橋"),
        ("1410022", "東京都", "品川区", "東五反田"),
        ("1110032", "東京都", "台東区", "浅草"),
        ("1130033", "東京都", "文京区", "本郷"),
        ("1800004", "東京都", "武蔵野市", "吉祥寺本町"),
        ("1940013", "東京都", "町田市", "原町田"),
        ("2200004", "神奈川県", "横浜市西区", "北幸"),
        ("2310023", "神奈川県", "横浜市中区", "山下町"),
        ("3300854", "埼玉県", "さいたま市大宮区", "桜木町"),
        ("2600028", "千葉県", "千葉市中央区", "新町"),
    ),
    "BBB": (
        ("5300001", "大阪府", "大阪市北区", "梅田"),
        ("5420076", "大阪府", "大阪市中央区", "難波"),
        ("5420081", "大阪府", "大阪市中央区", "南船場"),
        ("5300027", "大阪府", "大阪市北区", "堂山町"),
        ("5500014", "大阪府", "大阪市西区", "北堀江"),
        ("5430056", "大阪府", "大阪市天王寺区", "堀越町"),
        ("6500021", "兵庫県", "神戸市中央区", "三宮町"),
        ("6500022", "兵庫県", "神戸市中央区", "元町通"),
        ("6008216", "京都府", "京都市下京区", "東塩小路町"),
        ("5650851", "大阪府", "吹田市", "千里山西"),
        ("6620971", "兵庫県", "西宮市", "和上町"),
        ("6308215", "奈良県", "奈良市", "東向中町"),
        ("6408331", "和歌山県", "和歌山市", "美園町"),
    ),
    "TANAKA": (
        ("4500002", "愛知県", "名古屋市中村区", "名駅"),
        ("4600008", "愛知県", "名古屋市中区", "栄"),
        ("4600003", "愛知県", "名古屋市中区", "錦"),
        ("4640850", "愛知県", "名古屋市千種区", "今池"),
        ("5008833", "岐阜県", "岐阜市", "神田町"),
        ("5100075", "三重県", "四日市市", "安島"),
        ("4400888", "愛知県", "豊橋市", "駅前大通"),
    ),
}
AREA_CODES = {"AAA": ("03", "03-0150-{:04}"), "BBB": ("06", "06-9950-{:04}"), "TANAKA": ("04", "052-050-{:04}")}
KNOWN: Mapping[str, Sequence[Known]] = {
    # The first two are the document's own (3.3).
    "AAA": (
        ("株式会社ABC", "カブシキガイシャエービーシー", 0, "2-15-1", "1", ("渋谷店", "新宿店", "池袋店")),
        ("有限会社XYZ", "ユウゲンガイシャエックスワイゼット", 6, "3-4-8", "4", ("本社",)),
        ("株式会社みのり青果", "カブシキガイシャミノリセイカ", 11, "1-22-5", "2", ()),
        ("合同会社ひなた食堂", "ゴウドウガイシャヒナタショクドウ", 3, "1-9-3", "1", ()),
        ("株式会社大川ビルサービス", "カブシキガイシャオオカワビルサービス", 9, "4-11-6", "3", ()),
        ("医療法人社団あおば会", "イリョウホウジンシャダンアオバカイ", 12, "5-27-2", "5", ()),
        ("株式会社さくら印刷", "カブシキガイシャサクラインサツ", 10, "2-8-14", "7", ()),
        ("株式会社ホテルみなと", "カブシキガイシャホテルミナト", 16, "76-3", "6", ()),
        ("有限会社丸福商店", "ユウゲンガイシャマルフクショウテン", 13, "1-31-7", "2", ()),
        ("株式会社クリーン東都", "カブシキガイシャクリーントウト", 17, "2-6-9", "3", ()),
        ("株式会社武蔵野製パン", "カブシキガイシャムサシノセイパン", 13, "2-14-11", "7", ()),
        ("株式会社ネクスト不動産", "カブシキガイシャネクストフドウサン", 5, "7-18-4", "8", ()),
        ("焼鳥とりまる", "ヤキトリトリマル", 9, "3-19-2", "1", ()),
        ("ヘアサロン ルミエール", "ヘアサロンルミエール", 4, "6-12-8", "3", ()),
        ("株式会社東京ロジライン", "カブシキガイシャトウキョウロジライン", 18, "18-10", "9", ()),
        ("株式会社花園フラワー", "カブシキガイシャハナゾノフラワー", 1, "3-35-12", "2", ()),
        ("有限会社鈴木歯科技工", "ユウゲンガイシャスズキシカギコウ", 14, "4-16-3", "7", ()),
        ("株式会社銀座会計センター", "カブシキガイシャギンザカイケイセンター", 7, "8-10-5", "4", ()),
        ("株式会社ラウンジ六本木", "カブシキガイシャラウンジロッポンギ", 8, "7-13-6", "1", ()),
        ("中村 和夫", "ナカムラ カズオ", 15, "2-3-19", "11", ()),
    ),
    "BBB": (
        ("株式会社なにわ電装", "カブシキガイシャナニワデンソウ", 2, "3-7-21", "7", ()),
        ("株式会社たこ八本舗", "カブシキガイシャタコハチホンポ", 1, "4-2-16", "1", ()),
        ("有限会社浪速酒販", "ユウゲンガイシャナニワシュハン", 0, "1-11-24", "2", ()),
        ("社会福祉法人やまぶき会", "シャカイフクシホウジンヤマブキカイ", 9, "5-13-30", "5", ()),
        ("株式会社六甲ベーカリー", "カブシキガイシャロッコウベーカリー", 6, "2-11-33", "1", ()),
        ("株式会社京つけもの西村", "カブシキガイシャキョウツケモノニシムラ", 8, "843-22", "2", ()),
        ("合同会社ミナミ企画", "ゴウドウガイシャミナミキカク", 1, "2-18-40", "4", ()),
        ("株式会社摂津運輸", "カブシキガイシャセッツウンユ", 9, "1-45-12", "9", ()),
        ("株式会社神戸元町紅茶", "カブシキガイシャコウベモトマチコウチャ", 7, "3-9-51", "1", ()),
        ("株式会社堀江建築工房", "カブシキガイシャホリエケンチクコウボウ", 4, "1-26-37", "8", ()),
        ("旅館まほろば", "リョカンマホロバ", 11, "28-46", "6", ()),
        ("カラオケ歌楽", "カラオケカラク", 3, "9-17-25", "3", ()),
        ("株式会社紀ノ川水産", "カブシキガイシャキノカワスイサン", 12, "5-61-10", "10", ()),
        ("吉田 真理子", "ヨシダ マリコ", 10, "6-22-41", "11", ()),
    ),
    "TANAKA": (
        ("株式会社尾張うどん", "カブシキガイシャオワリウドン", 0, "4-26-52", "1", ()),
        ("喫茶コメット", "キッサコメット", 3, "1-5-63", "1", ()),
        ("株式会社三河金属", "カブシキガイシャミカワキンゾク", 6, "2-33-74", "7", ()),
        ("有限会社岐阜ふとん店", "ユウゲンガイシャギフフトンテン", 4, "8-12-85", "2", ()),
        ("株式会社栄ダンススタジオ", "カブシキガイシャサカエダンススタジオ", 1, "3-18-96", "3", ()),
        ("四日市こども園", "ヨッカイチコドモエン", 5, "1-2-107", "5", ()),
        ("林 達也", "ハヤシ タツヤ", 2, "2-20-118", "11", ()),
    ),
}
NATURAL, LEGAL, TRADE = "1", "2", "3"
_LEGAL = ("株式会社", "有限会社", "合同会社", "医療法人", "社会福祉法人")
_CHIEFS = (
    ("佐藤", "健一", "サトウ", "ケンイチ"),
    ("高橋", "由美子", "タカハシ", "ユミコ"),
    ("渡辺", "修", "ワタナベ", "オサム"),
    ("伊藤", "恵", "イトウ", "メグミ"),
    ("小林", "誠司", "コバヤシ", "セイジ"),
    ("加藤", "直樹", "カトウ", "ナオキ"),
    ("山本", "久美", "ヤマモト", "クミ"),
    ("松本", "浩", "マツモト", "ヒロシ"),
    ("清水", "陽子", "シミズ", "ヨウコ"),
)


@dataclass(frozen=True)
class Company:
    """`values` are columns of the table; `places` where its sites are, the own address first."""

    values: dict[str, Any]
    branches: Sequence[str]
    places: Sequence[Place]


def companies(code: str, agency_id: int, first: int) -> list[Company]:
    """Those of an agency; `first` is the number of the first one in the whole demo."""
    return [_company(code, agency_id, number, known) for number, known in enumerate(KNOWN[code], first)]


def _company(code: str, agency_id: int, number: int, known: Known) -> Company:
    name, kana, place, street, job, branches = known
    listed = PLACES[code]
    kind = LEGAL if name.startswith(_LEGAL) else NATURAL if " " in kana else TRADE
    last, _, first = name.partition(" ") if kind == NATURAL else (name, "", "")
    last_kana, _, first_kana = kana.partition(" ")
    zip_code, prefecture, city, town = listed[place]
    base = f"{990001000000 + number:012}"
    return Company(
        {
            "agency_id": agency_id,
            "customer_type": kind,
            "corporation_number": check_digit(base) + base if kind == LEGAL else "",
            "last_name": last,
            "first_name": first,
            "last_name_kana": last_kana,
            "first_name_kana": first_kana,
            **_chief(kind, number),
            "birthday": date(1962 + number % 30, 1 + number % 12, 1 + number * 7 % 28) if kind == NATURAL else None,
            "zip_code": zip_code,
            "prefecture": prefecture,
            "city": city,
            "town": town,
            "street": street,
            "phone1": AREA_CODES[code][1].format(1000 + number * 37),
            "mail_address": f"office{number:03}@example.jp",
            "job_type": job,
            # Nobody of the demo pays by card.
            "payment_type": "3" if number % 3 == 0 else "2",
            "invoice": "3" if number % 4 == 0 else "0",
            "sales_channel_id": "123567"[number % 6],
        },
        branches or (("本社" if job in "478" else "本店"),),
        [listed[(place + step) % len(listed)] for step in range(len(listed))],
    )


def _chief(kind: str, number: int) -> dict[str, Any]:
    """代表者, of what is no person itself."""
    last, first, last_kana, first_kana = _CHIEFS[number % len(_CHIEFS)]
    named = kind != NATURAL
    return {
        "representative_last_name": last if named else "",
        "representative_first_name": first if named else "",
        "representative_last_name_kana": last_kana if named else "",
        "representative_first_name_kana": first_kana if named else "",
        "representative_birthday": date(1955 + number % 35, 1 + number % 12, 1 + number * 5 % 28) if named else None,
    }
