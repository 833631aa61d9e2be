// Apply the theme that the user chose last, before the page is drawn, so that it does not flash.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
// Tell the server the browser's time zone, in which pages show times.
const consolePath = new URL("..", document.currentScript.src).pathname;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `power_zone=${zone}; path=${consolePath}; max-age=31536000; samesite=lax`;
