// One event stream for all tabs of a browser, which opens few connections to one server.
// The tab that holds the lock reads the stream and forwards each state to the other tabs; when it is
// closed or hidden, another visible tab gets the lock. Without locks each visible tab reads a stream.
"use strict";

const EVENT_WORDS = [
  "window.opening", "window.open", "window.extended", "window.closing", "window.closed", "window.stuck",
  "window.waiting", "call.started", "call.finished", "call.lost", "service.ready", "service.failing",
  "drift.found", "drift.stopped", "drift.ended", "stack.loaded", "stack.rejected", "node.claimed",
];
const STATUS_TEXT = { live: "Live", lost: "Connection lost, trying again; the page shows the last known state." };

// Calls `report` with "live", "lost", "changed" or "ended". Returns a function that ends it.
function follow(address, report) {
  let source = null;
  let isOver = false;
  const open = () => {
    source = new EventSource(address);
    source.onopen = () => report("live");
    source.onerror = () => {
      report("lost");
      // An EventSource does not reconnect after an HTTP error, so the page opens a new one.
      if (source.readyState === EventSource.CLOSED) setTimeout(reopen, 2000);
    };
    for (const word of EVENT_WORDS) source.addEventListener(word, () => report("changed"));
  };
  const reopen = async () => {
    const answer = isOver ? null : await fetch(address.replace(/live$/, "parts/home")).catch(() => null);
    if (isOver) return;
    if (answer && answer.status === 401) report("ended");
    else open();
  };
  open();
  return () => { isOver = true; source.close(); };
}

// Calls `begin` while the page is visible, and what that returned when the page is hidden.
function whileVisible(begin) {
  let end = null;
  const update = () => {
    if (document.hidden && end) { end(); end = null; }
    else if (!document.hidden && !end) end = begin();
  };
  document.addEventListener("visibilitychange", update);
  update();
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
  whileVisible(() => {
    const waiting = new AbortController();
    let release = null;
    channel.postMessage("state?");
    navigator.locks.request(shared, { signal: waiting.signal }, () => new Promise((done) => {
      isLeader = true;
      const close = follow(address, (state) => {
        if (state !== "changed") last = state;
        receive(state);
        channel.postMessage(state);
      });
      release = () => { close(); isLeader = false; done(); };
    })).catch(() => {});
    return () => { if (release) release(); else waiting.abort(); };
  });
}

function listen(address) {
  const receive = (state) => {
    if (state === "ended") location.reload();
    if (STATUS_TEXT[state]) showConnection(state, STATUS_TEXT[state]);
    if (!document.hidden && (state === "live" || state === "changed")) reloadSoon();
  };
  if (navigator.locks && window.BroadcastChannel) shareStream(address, receive);
  else whileVisible(() => follow(address, receive));
}
