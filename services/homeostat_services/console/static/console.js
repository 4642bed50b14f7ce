// Keeps the page up to date: the server sends the sections that changed. Without this script the page reloads itself.
"use strict";

const live = document.getElementById("live");
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function age(moment) {
  const seconds = Math.round((new Date(moment) - Date.now()) / 1000);
  const [unit, size] = units.find(([, length]) => Math.abs(seconds) >= length) || units[3];
  return relative.format(Math.trunc(seconds / size), unit);
}

function showAges(root) {
  for (const time of root.querySelectorAll("time")) {
    time.title = time.title || time.textContent;
    const text = age(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
}

function say(text, state) {
  live.textContent = text;
  live.className = `live ${state}`;
}

function connect() {
  const stream = new EventSource(live.dataset.url);
  stream.onopen = () => say("live", "good");
  // The browser connects again by itself; the server then sends every section.
  stream.onerror = () => say(stream.readyState === EventSource.CLOSED ? "disconnected" : "connecting again", "bad");
  stream.addEventListener("section", (event) => {
    const { id, html } = JSON.parse(event.data);
    const section = document.getElementById(id);
    const closed = [...section.querySelectorAll("details")].map((details) => !details.open);
    section.innerHTML = html;
    section.querySelectorAll("details").forEach((details, index) => { if (closed[index]) details.open = false; });
    showAges(section);
  });
  stream.addEventListener("signed-out", () => { stream.close(); location.assign("/login"); });
  stream.addEventListener("namespaces", () => location.reload());
}

document.getElementById("namespace").addEventListener("change", (event) => event.target.form.submit());
showAges(document);
setInterval(() => showAges(document), 1000);
connect();
