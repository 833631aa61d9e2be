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
  for (const one of document.querySelectorAll("[data-elapsed]")) {
    if (!readAt.has(one)) readAt.set(one, performance.now());
    const elapsed = +one.dataset.elapsed + (performance.now() - readAt.get(one)) / 1000;
    const share = Math.max(+one.getAttribute("aria-valuenow"), Math.min(95, (100 * elapsed) / one.dataset.usual));
    one.querySelector(".arc").setAttribute("stroke-dasharray", share.toFixed(1) + " 100");
  }
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

// What folds stays folded or unfolded as the reader left it, also when the part is replaced.
const folds = JSON.parse(localStorage.getItem("folds") || "{}");

function applyFolds() {
  for (const stack of document.querySelectorAll("details[data-fold]")) if (stack.id in folds) stack.open = folds[stack.id];
}

document.addEventListener("click", (event) => {
  const summary = event.target.closest("details[data-fold] > summary");
  if (!summary) return;
  folds[summary.parentElement.id] = !summary.parentElement.open;
  localStorage.setItem("folds", JSON.stringify(folds));
});

// On a narrow screen filters that are not in use would push what they filter out of sight.
if (matchMedia("(max-width: 40rem)").matches)
  for (const one of document.querySelectorAll("[data-narrow-fold='']")) one.open = false;

// The search hides lines as one types, and unfolds the stacks that have matches.
function applySearch() {
  const field = document.querySelector("[data-search-field]");
  if (!field) return;
  const words = field.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  let matches = 0;
  for (const stack of document.querySelectorAll("details.stack")) {
    let here = 0;
    for (const row of stack.querySelectorAll("[data-search]")) {
      row.hidden = !words.every((word) => row.dataset.search.includes(word));
      if (!row.hidden) here += 1;
    }
    stack.parentElement.hidden = words.length > 0 && !here;
    if (words.length && here) stack.open = true;
    matches += here;
  }
  document.getElementById("no-match").hidden = !words.length || matches > 0;
  if (!words.length) applyFolds();
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-search-field]")) return;
  applySearch();
});

// The value of a chart under the pointer. The numbers of its edges come with it; 58 to 410 and 10 to 126 are its area.
function showValue(event) {
  const chart = event.target.closest("svg.chart");
  if (!chart) return;
  const area = chart.getBoundingClientRect();
  const x = ((event.clientX - area.left) / area.width) * 420;
  const points = [...chart.querySelectorAll("polyline")].flatMap((line) => [...line.points]);
  const near = points.reduce((best, one) => (Math.abs(one.x - x) < Math.abs(best.x - x) ? one : best), points[0]);
  const pointer = chart.querySelector(".pointer");
  pointer.setAttribute("d", `M${near.x} 10V126M${near.x - 3} ${near.y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0`);
  pointer.setAttribute("visibility", "visible");
  const { top, unit, since, until } = chart.dataset;
  const value = ((126 - near.y) / 116) * top;
  const at = new Date(1000 * (+since + ((near.x - 58) / 352) * (until - since)));
  const digits = unit === "MiB" ? 0 : unit === "GiB" ? 1 : 2;
  chart.closest("figure").querySelector(".under-pointer").textContent =
    `${at.toLocaleTimeString([], { hourCycle: "h23" })}: ${value.toFixed(digits)} ${unit}`;
}

function hideValue(event) {
  const chart = event.target.closest("svg.chart");
  if (!chart || chart.contains(event.relatedTarget)) return;
  chart.querySelector(".pointer").setAttribute("visibility", "hidden");
  chart.closest("figure").querySelector(".under-pointer").textContent = "";
}

for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, showValue);
document.addEventListener("pointerout", hideValue);

// The output of calls stays at its end while it grows, unless the reader has scrolled up.
const places = new Map();

function rememberPlaces() {
  for (const output of document.querySelectorAll("[data-follow]")) {
    const isAtEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 8;
    places.set(output.id, isAtEnd ? Infinity : output.scrollTop);
  }
}

function restorePlaces() {
  for (const output of document.querySelectorAll("[data-follow]")) {
    const place = places.get(output.id) ?? (output.dataset.follow === "end" ? Infinity : 0);
    output.scrollTop = Math.min(place, output.scrollHeight);
  }
}

function dress() {
  applyFolds();
  restorePlaces();
  applySearch();
  tick();
}

let before = state();
document.body.addEventListener("htmx:beforeSwap", rememberPlaces);
document.body.addEventListener("htmx:afterSwap", () => {
  dress();
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
dress();
setInterval(tick, 500);
// Some changes of power have no audit entry, so the parts are also reloaded slowly.
setInterval(() => { if (!document.hidden) reloadSoon(); }, 5000);
// The output of a running call is read each second while the page is visible.
setInterval(() => { if (!document.hidden) document.body.dispatchEvent(new Event("power:second")); }, 1000);
if (document.body.dataset.live) listen(document.body.dataset.live);
