"""貸出状況"""

from dashboards.ui import heading

heading.page("貸出状況")
