"""点検"""

from dashboards.ui import heading

heading.page("点検")
