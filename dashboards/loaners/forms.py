"""フォーム管理"""

from dashboards.ui import heading

heading.page("フォーム管理")
