// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Keeps the page equal to the last counts that the server sent, and says so when they are no longer live.

const SPEAK_AFTER_MS = 1500; // a screen reader hears the counts once they rest, not each step of a rush
const PROBLEMS = {
  lost: "The connection was lost. The counts shown are the last ones received. Connecting again.",
  outage: "The votes cannot be counted for the moment. Votes are kept and will be counted later.",
};
const STATES = { live: "Live result", lost: "Not connected", outage: "Paused" };

const names = { a: document.body.dataset.optionA, b: document.body.dataset.optionB };
const at = (id) => document.getElementById(id);
const votes = (n) => (n === 1 ? "vote" : "votes");
let shown = "";
let speaking = 0;

function showState(state) {
  at("state").dataset.state = state;
  at("state-text").textContent = STATES[state];
  at("problem").hidden = state === "live";
  if (state !== "live" && at("problem").textContent !== PROBLEMS[state]) {
    at("problem").textContent = PROBLEMS[state];
  }
}

function showScores(message) {
  showState("live");
  if (message === shown) {
    return;
  }
  const first = shown === "";
  shown = message;
  const { a, b } = JSON.parse(message);
  const total = a + b;
  const share = total ? Math.round((100 * a) / total) : 50;
  at("share-a").textContent = total ? share : "–";
  at("share-b").textContent = total ? 100 - share : "–";
  at("count-a").textContent = `${a} ${votes(a)}`;
  at("count-b").textContent = `${b} ${votes(b)}`;
  at("total").textContent = total;
  at("total-unit").textContent = votes(total);
  at("bar-a").setAttribute("width", `${share}%`);
  at("bar-gap").setAttribute("x", `${share}%`);
  clearTimeout(speaking);
  speaking = setTimeout(
    () => {
      at("spoken").textContent = `${names.a}: ${a} ${votes(a)}. ${names.b}: ${b} ${votes(b)}.`;
    },
    first ? 0 : SPEAK_AFTER_MS,
  );
}

const socket = io({ reconnectionDelay: 500, reconnectionDelayMax: 3000, timeout: 5000 });
socket.on("scores", showScores);
socket.on("outage", () => showState("outage"));
socket.on("disconnect", () => showState("lost"));
socket.on("connect_error", () => showState("lost"));
