// What moves on a page: rings, what the news change, the theme. Everything works without it, but by hand.
"use strict";

// Rings: the server says how much is left; from then on this clock counts.
const read = new WeakMap();

function spoken(seconds) {
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
    if (!read.has(one)) read.set(one, performance.now());
    const left = Math.max(0, one.dataset.left - (performance.now() - read.get(one)) / 1000);
    one.querySelector(".time").textContent = spoken(left);
    const share = Math.min(100, (100 * left) / one.dataset.whole);
    one.querySelector(".arc").setAttribute("stroke-dasharray", share.toFixed(1) + " 100");
  }
}

// News: many entries come at once, and one look is enough for all of them.
let looking = null;

function look() {
  looking = looking || setTimeout(() => {
    looking = null;
    document.body.dispatchEvent(new Event("power:changed"));
  }, 150);
}

function say(state, words) {
  const place = document.getElementById("connection");
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  place.firstElementChild.textContent = words;
}

function state() {
  const found = document.getElementById("window");
  return found && found.dataset.state;
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

function dark() {
  const said = document.documentElement.dataset.theme;
  return said ? said === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function name() { theme.textContent = dark() ? "Light" : "Dark"; theme.hidden = false; }
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = dark() ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
  name();
});
name();
// The newest part of a line of time is to the right.
for (const one of document.querySelectorAll(".scroll:has(.timeline)")) one.scrollLeft = one.scrollWidth;
tick();
setInterval(tick, 500);
// A service changes its power without an entry now and then: a slow look besides the news.
setInterval(look, 5000);
if (document.body.dataset.live) listen(document.body.dataset.live);
