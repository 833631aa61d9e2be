// The timeline: what a bar says on hover, focus and tap, and zoom by dragging. Without it bars are links.
"use strict";

const picture = document.getElementById("timeline");
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
}

function hideTip() {
  tip.hidden = true;
  delete tip.dataset.of;
}

function describeBars() {
  for (const link of picture.querySelectorAll("svg a")) {
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
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#timeline a, #tip")) hideTip();
  });
  document.querySelector(".timeline-frame").addEventListener("scroll", hideTip);
}

// Zoom: the two ends of a drag, in pixels of the page, become two times of the axis.
function zoomByDrag() {
  const selection = picture.querySelector(".chosen-time");
  const track = () => picture.querySelector(".axis-track").getBoundingClientRect();
  let from = null;
  let moved = false;

  const draw = (to) => {
    const frame = picture.getBoundingClientRect();
    selection.style.left = Math.min(from, to) - frame.left + "px";
    selection.style.width = Math.abs(to - from) + "px";
    selection.hidden = false;
  };
  const inTrack = (x) => Math.min(Math.max(x, track().left), track().right);

  picture.addEventListener("pointerdown", (event) => {
    const isOnTrack = event.clientX >= track().left && event.target.closest("svg");
    if (event.pointerType !== "mouse" || event.button !== 0 || !isOnTrack) return;
    from = event.clientX;
    moved = false;
  });
  picture.addEventListener("dragstart", (event) => event.preventDefault());
  document.addEventListener("pointermove", (event) => {
    if (from === null) return;
    moved = moved || Math.abs(event.clientX - from) > 6;
    if (moved) draw(inTrack(event.clientX));
  });
  document.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const ends = [from, inTrack(event.clientX)].sort((a, b) => a - b);
    from = null;
    selection.hidden = true;
    if (moved) zoomTo(ends, track());
  });
  // A drag that ends on a bar is no click on it.
  picture.addEventListener("click", (event) => { if (moved) event.preventDefault(); moved = false; }, true);
}

function zoomTo(ends, track) {
  const since = Number(picture.dataset.since);
  const length = Number(picture.dataset.until) - since;
  const times = ends.map((x) => since + (length * (x - track.left)) / track.width);
  if (times[1] - times[0] < 60) times[1] = times[0] + 60;
  const text = times.map((seconds) => new Date(seconds * 1000).toISOString().slice(0, 19) + "Z");
  location.href = `${picture.dataset.address}?since=${text[0]}&until=${text[1]}`;
}

if (picture) {
  document.querySelector(".zoom-help").hidden = false;
  describeBars();
  zoomByDrag();
  // The newest part of the timeline is on the right.
  const frame = document.querySelector(".timeline-frame");
  frame.scrollLeft = frame.scrollWidth;
}
