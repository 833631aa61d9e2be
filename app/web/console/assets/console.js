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

// Stacks stay folded or unfolded as the reader left them, also when the part is replaced.
const folds = JSON.parse(localStorage.getItem("folds") || "{}");

function applyFolds() {
  for (const stack of document.querySelectorAll("details.stack")) if (stack.id in folds) stack.open = folds[stack.id];
}

document.addEventListener("click", (event) => {
  const summary = event.target.closest("details.stack > summary");
  if (!summary) return;
  folds[summary.parentElement.id] = !summary.parentElement.open;
  localStorage.setItem("folds", JSON.stringify(folds));
});

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

// Times are sent in UTC and shown in the browser's zone.
function localizeTimes() {
  for (const time of document.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    time.title = time.textContent + " UTC";
    const isToday = at.toDateString() === new Date().toDateString();
    time.textContent = at.toLocaleString([], {
      ...(isToday ? {} : { day: "numeric", month: "short" }), hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    });
  }
}

function dress() {
  applyFolds();
  applySearch();
  localizeTimes();
  tick();
}

let before = state();
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
// The newest part of the timeline is on the right.
for (const one of document.querySelectorAll(".scroll:has(.timeline)")) one.scrollLeft = one.scrollWidth;
dress();
setInterval(tick, 500);
// Some changes of power have no audit entry, so the parts are also reloaded slowly.
setInterval(reloadSoon, 5000);
if (document.body.dataset.live) listen(document.body.dataset.live);
