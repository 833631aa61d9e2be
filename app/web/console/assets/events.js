// One event stream for all tabs of a browser, which opens few connections to one server.
// The tab that holds the lock reads the stream and forwards each state to the other tabs; when it is
// closed, another tab gets the lock. Without locks each tab reads a stream while it is visible.
"use strict";

const EVENT_WORDS = [
  "window.opening", "window.open", "window.extended", "window.closing", "window.closed", "window.stuck",
  "window.waiting", "call.started", "call.finished", "call.lost", "service.ready", "service.failing",
  "drift.found", "drift.stopped", "drift.ended", "stack.loaded", "stack.rejected", "node.claimed",
];
const STATUS_TEXT = { live: "Live", lost: "Connection lost, trying again; the page shows the last known state." };

// `report` is called with "live", "lost", "changed" or "ended".
function follow(address, report) {
  const source = new EventSource(address);
  source.onopen = () => report("live");
  source.onerror = () => {
    report("lost");
    // An EventSource does not reconnect after an HTTP error, so the page opens a new one.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(async () => {
      const answer = await fetch(address.replace(/live$/, "parts/home")).catch(() => null);
      if (answer && answer.status === 401) report("ended");
      else follow(address, report);
    }, 2000);
  };
  for (const word of EVENT_WORDS) source.addEventListener(word, () => report("changed"));
  return source;
}

function shareStream(address, receive) {
  // Two consoles may be served by one host, under different paths.
  const shared = "power-events " + address;
  const channel = new BroadcastChannel(shared);
  let isLeader = false;
  let last = "";
  channel.onmessage = (event) => {
    if (event.data === "state?") {
      if (isLeader && last) channel.postMessage(last);
    } else if (!isLeader) receive(event.data);
  };
  channel.postMessage("state?");
  navigator.locks.request(shared, () => new Promise(() => {
    isLeader = true;
    follow(address, (state) => {
      if (state !== "changed") last = state;
      receive(state);
      channel.postMessage(state);
    });
  }));
}

function followWhileVisible(address, receive) {
  let source = null;
  const update = () => {
    if (source) source.close();
    source = document.hidden ? null : follow(address, receive);
  };
  document.addEventListener("visibilitychange", update);
  update();
}

function listen(address) {
  const receive = (state) => {
    if (state === "ended") location.reload();
    if (STATUS_TEXT[state]) showConnection(state, STATUS_TEXT[state]);
    if (state === "live" || state === "changed") reloadSoon();
  };
  if (navigator.locks && window.BroadcastChannel) shareStream(address, receive);
  else followWhileVisible(address, receive);
}
