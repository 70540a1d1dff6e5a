"""マスタ管理"""

from dashboards.ui import heading

heading.page("マスタ管理")
