"""機器詳細"""

from dashboards.ui import heading

heading.page("機器詳細")
