"""ラベル印刷"""

from dashboards.ui import heading

heading.page("ラベル印刷")
