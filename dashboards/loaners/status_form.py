"""ステータス登録"""

from dashboards.ui import heading

heading.page("ステータス登録")
