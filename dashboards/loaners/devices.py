"""機器一覧"""

from dashboards.ui import heading

heading.page("機器一覧")
