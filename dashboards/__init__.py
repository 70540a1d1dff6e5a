"""The dashboards people work with: Streamlit pages that speak HTTP to the service and hold no data of their own."""
