// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Keeps the page equal to the last counts that the server sent, and says so when they are no longer live.

const SPEAK_AFTER_MS = 1500; // a screen reader hears what has become of a change, not each step of it,
const SPEAK_EVERY_MS = 10000; // and in a rush not more often than this
const STATES = { live: "Live result", lost: "Not connected", outage: "Paused" };

const names = { a: document.body.dataset.optionA, b: document.body.dataset.optionB };
const at = (id) => document.getElementById(id);
const votes = (n) => (n === 1 ? "vote" : "votes");
const digits = (n) => n.toLocaleString("en");
const counted = (n) => `${digits(n)} ${votes(n)}`;
let shown = "";
let news = "";
let speaking = 0;
let spokenAt = -SPEAK_EVERY_MS;

function speak(text) {
  news = text;
  if (!speaking) {
    speaking = setTimeout(
      () => {
        speaking = 0;
        spokenAt = performance.now();
        if (at("spoken").textContent !== news) {
          at("spoken").textContent = news;
        }
      },
      Math.max(SPEAK_AFTER_MS, spokenAt + SPEAK_EVERY_MS - performance.now()),
    );
  }
}

/** Returns the state until now. */
function showState(state) {
  const before = at("state").dataset.state;
  if (state !== before) {
    at("state").dataset.state = state;
    at("state-text").textContent = STATES[state];
    for (const note of document.querySelectorAll("[data-when]")) {
      note.hidden = note.dataset.when !== state;
    }
  }
  return before;
}

function showProblem(state) {
  if (showState(state) !== state) {
    speak(document.querySelector(`[data-when=${state}]`).textContent);
  }
}

function showScores(message) {
  const before = showState("live");
  if (message === shown && before === "live") {
    return;
  }
  shown = message;
  const { a, b } = JSON.parse(message);
  const total = a + b;
  const share = total ? Math.round((100 * a) / total) : 50;
  at("result").classList.toggle("empty", !total);
  at("share-a").textContent = total ? share : "–";
  at("share-b").textContent = total ? 100 - share : "–";
  at("count-a").textContent = counted(a);
  at("count-b").textContent = counted(b);
  at("total").textContent = digits(total);
  at("total-unit").textContent = votes(total);
  at("total-line").hidden = false;
  at("bar-a").setAttribute("width", `${share}%`);
  at("bar-gap").setAttribute("x", `${share}%`);
  at("bar-gap").setAttribute("width", a && b ? 4 : 0);
  // What the page had when it was loaded has been read with it.
  if (before !== "loaded") {
    speak(`${names.a}: ${counted(a)}. ${names.b}: ${counted(b)}.`);
  }
}

const socket = io({ reconnectionDelay: 500, reconnectionDelayMax: 3000, timeout: 5000 });
socket.on("scores", showScores);
socket.on("outage", () => showProblem("outage"));
socket.on("disconnect", () => showProblem("lost"));
socket.on("connect_error", () => showProblem("lost"));
