"""サマリー"""

from dashboards.ui import heading

heading.page("サマリー")
