// The sign-in page: shows and hides the password, and fills in a demo account.
const loginId = document.getElementById("login_id");
const password = document.getElementById("password");
const reveal = document.getElementById("reveal");

reveal.hidden = false;
reveal.addEventListener("click", () => {
  const shown = password.type === "password";
  password.type = shown ? "text" : "password";
  reveal.textContent = shown ? "隠す" : "表示";
  reveal.setAttribute("aria-pressed", String(shown));
  password.focus();
});

for (const account of document.querySelectorAll("[data-login-id]")) {
  account.addEventListener("click", () => {
    loginId.value = account.dataset.loginId;
    password.value = account.dataset.password;
    document.querySelector("button[type=submit]").focus();
  });
}
