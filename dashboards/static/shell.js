// Streamlit would try every folder of the address, two 404s on each deep link, before it finds its server here.
window.__streamlit = { BACKEND_BASE_URL: window.location.origin };
