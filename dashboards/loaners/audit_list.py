"""監査"""

from dashboards.ui import heading

heading.page("監査")
