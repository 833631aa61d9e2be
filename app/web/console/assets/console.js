// Updates of a page: rings, parts that change with events, the theme. Without it a page works after a reload.
"use strict";

// Rings: the server sends the time left, and the browser counts down from then on.
const readAt = new WeakMap();

function formatDuration(seconds) {
  let left = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    const amount = Math.floor(left / size);
    left -= amount * size;
    if (amount) parts.push(amount + unit);
  }
  return parts.slice(0, 2).join(" ") || "0s";
}

function tick() {
  for (const one of document.querySelectorAll("[data-left]")) {
    if (!readAt.has(one)) readAt.set(one, performance.now());
    const left = Math.max(0, one.dataset.left - (performance.now() - readAt.get(one)) / 1000);
    one.querySelector(".time").textContent = formatDuration(left);
    const share = Math.min(100, (100 * left) / one.dataset.whole);
    one.querySelector(".arc").setAttribute("stroke-dasharray", share.toFixed(1) + " 100");
  }
}

// Many events come together; one reload of the parts serves all of them.
let reload = null;

function reloadSoon() {
  reload = reload || setTimeout(() => {
    reload = null;
    document.body.dispatchEvent(new Event("power:changed"));
  }, 150);
}

function showConnection(state, text) {
  const status = document.getElementById("connection");
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.firstElementChild.textContent = text;
}

function state() {
  const windowCard = document.getElementById("window");
  return windowCard && windowCard.dataset.state;
}

let before = state();
document.body.addEventListener("htmx:afterSwap", () => {
  tick();
  if (state() !== before) {
    before = state();
    document.body.dispatchEvent(new Event("power:moved"));
  }
});
document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
});

const theme = document.getElementById("theme");

function isDark() {
  const chosenTheme = document.documentElement.dataset.theme;
  return chosenTheme ? chosenTheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function name() { theme.querySelector("span").textContent = isDark() ? "Light" : "Dark"; theme.hidden = false; }
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  name();
});
name();
// The newest part of the timeline is on the right.
for (const one of document.querySelectorAll(".scroll:has(.timeline)")) one.scrollLeft = one.scrollWidth;
tick();
setInterval(tick, 500);
// Some changes of power have no audit entry, so the parts are also reloaded slowly.
setInterval(reloadSoon, 5000);
if (document.body.dataset.live) listen(document.body.dataset.live);
