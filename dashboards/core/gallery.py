"""部品一覧 (demo only): every shared widget in every state, with sample data; used as documentation and in tests."""

from __future__ import annotations

import streamlit as st

from dashboards.core.exhibits import PARTS
from dashboards.ui import bound, heading

heading.page("部品一覧")
st.markdown("画面の共通部品を、すべての状態で確認できます。ここでの操作はデータに影響しません。")
PARTS[bound.choose_part([*PARTS], "部品")]()
