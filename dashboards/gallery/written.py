"""人が書いた文: text of customers and colleagues, which stays text, and what can be done with it."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboards.gallery.samples import state
from dashboards.ui import details, times
from dashboards.ui.links import mail, telephone
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import TimelineEvent, timeline

# Each in the form that Streamlit's Markdown would take for a link, a picture, an arrow, a formula, HTML or a list.
TYPED = (
    "https://evil.example/a?b=c#d、http://evil.example、HTTPS://EVIL.EXAMPLE",
    "www.evil.example と WWW.evil.example",
    "連絡先は taro.yamada+x@evil.example です",
    "[こちら](https://evil.example) ![絵](https://evil.example/x.png) <https://evil.example>",
    "<a href='https://evil.example'>こちら</a> <script>alert(1)</script> &lt;b&gt;",
    ":material/delete: :material_delete: :streamlit: :smile: :100: :red[赤] :help[x] 12:30:45",
    "A -> B <- C <-> D -- E >= F <= G ~= H",
    "$x^2$ と $$y$$ `z` ``` ~~v~~ **w** __u__ \\ \\\\ [^1]",
    "# 見出し\n- 項目\n1. 番号\n> 引用\n\n---\n| a | b |",
    "送金先\u202e3211-765\u202c 新宿\u200b店",
)


def written() -> None:
    with state("written.text", "そのままの文", "改行は残り、見えない文字は印で表示します。リンクや絵にはなりません。"):
        for text in TYPED:
            st.markdown(plain(text))
    with state("written.parts", "部品の中の文"):
        for index, text in enumerate(TYPED):
            st.button(plain(text), key=f"gallery.written.{index}")
        st.error(plain("\n".join(TYPED)))
        st.markdown(small(plain("\n".join(TYPED))))
        with st.expander(plain(TYPED[0])):
            st.markdown(f"**{plain(TYPED[1])}**")
    with state("written.facts", "項目と値", "文の中のアドレスはコピーできます。"):
        details.facts(
            {
                "備考": "\n".join(TYPED),
                "アドレスだけの値": "https://evil.example/a",
                "電話番号": telephone("03-1234-5678"),
                "メールアドレス": mail("hanako@shop.example"),
                "電話番号ではない値": telephone("03-1234-5678) [x](https://evil.example"),
            }
        )
        details.letter("\n".join(TYPED))
    with state("written.timeline", "履歴"):
        event = TimelineEvent(
            times.now() - timedelta(minutes=3), TYPED[0], "comment", "山田 花子", TYPED[2], "\n".join(TYPED)
        )
        timeline([event], key="gallery_written")
