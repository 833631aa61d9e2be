// The timeline: what a bar says on hover, focus and tap, and zoom by dragging. Without it bars are links.
"use strict";

// Replaced by each update.
let picture = document.getElementById("timeline");
const frame = document.querySelector(".timeline-frame");
const tip = document.getElementById("tip");

function showTip(link) {
  const bar = link.querySelector("rect").getBoundingClientRect();
  tip.firstElementChild.textContent = link.dataset.says;
  tip.lastElementChild.href = link.href.baseVal;
  tip.hidden = false;
  const left = Math.min(Math.max(8, bar.left), innerWidth - tip.offsetWidth - 8);
  const below = bar.bottom + 6 + tip.offsetHeight < innerHeight;
  tip.style.left = left + "px";
  tip.style.top = (below ? bar.bottom + 6 : bar.top - tip.offsetHeight - 6) + "px";
  tip.dataset.of = link.href.baseVal + link.dataset.says;
  tip.dataset.name = link.getAttribute("href") + " " + link.closest("svg").getAttribute("aria-label");
}

function hideTip() {
  tip.hidden = true;
  delete tip.dataset.of;
}

function describeBars() {
  for (const link of frame.querySelectorAll("svg a")) {
    // The browser's own tip would appear beside ours.
    const title = link.querySelector("title");
    link.dataset.says = title.textContent;
    title.remove();
    link.addEventListener("pointerenter", (event) => { if (event.pointerType === "mouse") showTip(link); });
    link.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hideTip(); });
    link.addEventListener("focus", () => showTip(link));
    link.addEventListener("click", (event) => {
      const isShown = tip.dataset.of === link.href.baseVal + link.dataset.says;
      if (event.pointerType === "touch" && !(isShown && link.dataset.tapped)) {
        event.preventDefault();
        link.dataset.tapped = "yes";
        showTip(link);
      }
    });
    link.addEventListener("blur", () => { delete link.dataset.tapped; });
  }
}

// Zoom: the two ends of a drag, in pixels of the page, become two times of the axis.
let isDragging = false;

function zoomByDrag() {
  const selection = () => picture.querySelector(".chosen-time");
  const track = () => picture.querySelector(".axis-track").getBoundingClientRect();
  let from = null;
  let moved = false;

  const draw = (to) => {
    const area = picture.getBoundingClientRect();
    selection().style.left = Math.min(from, to) - area.left + "px";
    selection().style.width = Math.abs(to - from) + "px";
    selection().hidden = false;
  };
  const inTrack = (x) => Math.min(Math.max(x, track().left), track().right);

  frame.addEventListener("pointerdown", (event) => {
    if (!picture) return;
    const isOnTrack = event.clientX >= track().left && event.target.closest("svg");
    if (event.pointerType !== "mouse" || event.button !== 0 || !isOnTrack) return;
    from = event.clientX;
    moved = false;
    isDragging = true;
  });
  frame.addEventListener("dragstart", (event) => event.preventDefault());
  document.addEventListener("pointermove", (event) => {
    if (from === null) return;
    moved = moved || Math.abs(event.clientX - from) > 6;
    if (moved) draw(inTrack(event.clientX));
  });
  document.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const ends = [from, inTrack(event.clientX)].sort((a, b) => a - b);
    from = null;
    isDragging = false;
    selection().hidden = true;
    if (moved) zoomTo(ends, track());
  });
  // A drag that ends on a bar is no click on it.
  frame.addEventListener("click", (event) => { if (moved) event.preventDefault(); moved = false; }, true);
}

function zoomTo(ends, track) {
  const since = Number(picture.dataset.since);
  const length = Number(picture.dataset.until) - since;
  const times = ends.map((x) => since + (length * (x - track.left)) / track.width);
  if (times[1] - times[0] < 60) times[1] = times[0] + 60;
  const text = times.map((seconds) => new Date(seconds * 1000).toISOString().slice(0, 19) + "Z");
  location.href = `${picture.dataset.address}?since=${text[0]}&until=${text[1]}`;
}

// The same address is read again, so the part of time stays; the focus stays on the same bar, and scrolling as it was.
const UPDATE_PAUSE = 3000;
let updatedAt = performance.now();

async function updateTimeline() {
  if (isDragging || document.hidden || performance.now() - updatedAt < UPDATE_PAUSE) return;
  updatedAt = performance.now();
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok || answer.redirected || isDragging) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const freshFrame = fresh.querySelector(".timeline-frame");
  if (!freshFrame || isDragging) return;
  const name = (link) => link.getAttribute("href") + " " + link.closest("svg").getAttribute("aria-label");
  const focused = frame.contains(document.activeElement) ? document.activeElement.closest("svg a") : null;
  const summaries = () => [...frame.querySelectorAll("summary")];
  const focusedSummary = summaries().indexOf(document.activeElement);
  const unfolded = [...frame.querySelectorAll("details")].map((one) => one.open);
  const tipOf = tip.hidden ? null : tip.dataset.name;
  frame.replaceChildren(...freshFrame.childNodes);
  document.getElementById("idle-stacks").replaceWith(fresh.getElementById("idle-stacks"));
  picture = document.getElementById("timeline");
  describeBars();
  if (unfolded.length === frame.querySelectorAll("details").length) {
    frame.querySelectorAll("details").forEach((one, at) => { one.open = unfolded[at]; });
  }
  const links = [...frame.querySelectorAll("svg a")];
  const again = (wanted) => links.find((link) => wanted && name(link) === wanted);
  const toFocus = focused && again(name(focused));
  if (toFocus) toFocus.focus({ preventScroll: true });
  if (focusedSummary >= 0) summaries()[focusedSummary]?.focus({ preventScroll: true });
  const toShow = again(tipOf);
  if (toShow) showTip(toShow);
  else hideTip();
}

if (frame) {
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#timeline a, #tip")) hideTip();
  });
  frame.addEventListener("scroll", hideTip);
  document.querySelector(".zoom-help").hidden = !picture;
  describeBars();
  zoomByDrag();
  // The newest part of the timeline is on the right.
  frame.scrollLeft = frame.scrollWidth;
  if ("liveTimeline" in frame.dataset) document.body.addEventListener("power:changed", updateTimeline);
}
