// News of the house, by one stream for all tabs of a browser: it opens few connections to one server, and
// each tab needs some of them. The tab that holds the lock listens and tells the others; when it
// is closed, the lock goes to the next. Without locks each tab listens while it is visible.
"use strict";

const WORDS = [
  "window.opening", "window.open", "window.extended", "window.closing", "window.closed", "window.stuck",
  "window.waiting", "call.started", "call.finished", "call.lost", "service.ready", "service.failing",
  "drift.found", "drift.stopped", "drift.ended", "stack.loaded", "stack.rejected", "node.claimed",
];
const SAID = { live: "Live", lost: "Connection lost, trying again; this is how it was last seen." };

// `tell` is called with "live", "lost", "changed" or "ended".
function follow(address, tell) {
  const source = new EventSource(address);
  source.onopen = () => tell("live");
  source.onerror = () => {
    tell("lost");
    // A refusal ends an EventSource for good, so the page opens a new one.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(async () => {
      const answer = await fetch("/parts/home").catch(() => null);
      if (answer && answer.status === 401) tell("ended");
      else follow(address, tell);
    }, 2000);
  };
  for (const word of WORDS) source.addEventListener(word, () => tell("changed"));
  return source;
}

function share(address, hear) {
  const channel = new BroadcastChannel("power-news");
  let leads = false;
  let last = "";
  channel.onmessage = (event) => {
    if (event.data === "how?") {
      if (leads && last) channel.postMessage(last);
    } else if (!leads) hear(event.data);
  };
  channel.postMessage("how?");
  navigator.locks.request("power-news", () => new Promise(() => {
    leads = true;
    follow(address, (news) => {
      if (news !== "changed") last = news;
      hear(news);
      channel.postMessage(news);
    });
  }));
}

function whileSeen(address, hear) {
  let source = null;
  const turn = () => {
    if (source) source.close();
    source = document.hidden ? null : follow(address, hear);
  };
  document.addEventListener("visibilitychange", turn);
  turn();
}

function listen(address) {
  const hear = (news) => {
    if (news === "ended") location.reload();
    if (SAID[news]) say(news, SAID[news]);
    if (news === "live" || news === "changed") look();
  };
  if (navigator.locks && window.BroadcastChannel) share(address, hear);
  else whileSeen(address, hear);
}
