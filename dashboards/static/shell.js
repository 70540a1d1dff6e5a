// Streamlit would try every folder of the address, two 404s on each deep link, before it finds its server here.
window.__streamlit = { BACKEND_BASE_URL: window.location.origin };
// On a phone the menu covers the page, so it closes when a page was chosen in it. Streamlit's links leave it open.
document.addEventListener("click", (event) => {
  const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey);
  if (isPlain && event.target.closest?.("[data-testid=stSidebar] a") && matchMedia("(max-width: 768px)").matches) {
    document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
  }
});
