"""The dashboards: Streamlit pages that call the service over HTTP and store no data of their own."""
