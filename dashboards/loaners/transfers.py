"""取込・出力"""

from dashboards.ui import heading

heading.page("取込・出力")
