"""A minimal Streamlit page with a table of 50 rows, and with `?chart=1` a day's line chart above it."""

import math

import pandas
import plotly.graph_objects
import streamlit

streamlit.title("表")
if "chart" in streamlit.query_params:
    minutes = list(range(0, 24 * 60, 10))
    line = plotly.graph_objects.Scatter(x=minutes, y=[50 + 40 * math.sin(minute / 200) for minute in minutes])
    streamlit.plotly_chart(plotly.graph_objects.Figure(line))
streamlit.dataframe(
    pandas.DataFrame({f"列{column}": [f"値{row}-{column}" for row in range(50)] for column in range(8)})
)
