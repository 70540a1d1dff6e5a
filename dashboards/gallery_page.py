"""部品一覧 (`make widgets`): every shared widget in every state, with sample data; used as documentation and in tests.

It stands beside frame.py because Streamlit looks for its settings and static files in the folder of the script.
"""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboards.gallery import PARTS
from dashboards.ui import bound, dialogs, flash, heading, preferences, times

st.set_page_config(page_title="部品一覧｜Genba", layout="wide")
times.begin_page(timedelta())
preferences.keep_in_process()
bound.begin_page("gallery")
with dialogs.draw_after("gallery"):
    heading.page("部品一覧")
    st.markdown("画面の共通部品を、すべての状態で確認できます。ここでの操作はデータに影響しません。")
    PARTS[bound.choose_part([*PARTS], "部品")]()
flash.show()
