"""棚卸"""

from dashboards.ui import heading

heading.page("棚卸")
