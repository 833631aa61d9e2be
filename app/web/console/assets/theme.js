// Apply the theme that the user chose last, before the page is drawn, so that it does not flash.
const chosen = localStorage.getItem("theme");
if (chosen) document.documentElement.dataset.theme = chosen;
