// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// The result page: counts the votes in the database once a second and shows the counts to everybody who watches.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { Eta } from "eta";
import express from "express";
import pg from "pg";
import { Server } from "socket.io";

import { Scoreboard } from "./scores.js";
import { databaseSettings, optionNames } from "./settings.js";

const LEAVE_MS = 3000; // until whoever sends requests has seen that the health page says so
const STOP_MS = 6000; // with the time above, below the ten seconds that Docker grants between SIGTERM and SIGKILL
// A page that hears nothing for the sum of both connects again: its server may be gone without a word.
const HEARTBEAT = { pingInterval: 3000, pingTimeout: 5000 };
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

function folder(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Serves a folder's files, which browsers ask for anew by their content: in an image all files have the same time. */
function files(path) {
  const tags = new Map();
  for (const file of readdirSync(path).map((name) => join(path, name))) {
    tags.set(file, `"${createHash("sha256").update(readFileSync(file)).digest("base64url")}"`);
  }
  return express.static(path, {
    lastModified: false,
    setHeaders: (response, file) => response.set("ETag", tags.get(file)),
  });
}

/** The Express application around a scoreboard; `names` are those of the choices: {a, b}. */
function createApp(scoreboard, names, isLeaving) {
  const app = express();
  const eta = new Eta({ views: folder("views"), cache: true });
  app.disable("x-powered-by");
  app.use((request, response, next) => {
    response.set(HEADERS);
    next();
  });
  app.get("/", (request, response) => {
    const scores = scoreboard.latest();
    response.set("Cache-Control", "no-store");
    response.send(eta.render("index", { names, scores, hostname: hostname() }));
  });
  app.get("/scores", (request, response) => {
    const scores = scoreboard.latest();
    response.set("Cache-Control", "no-store");
    response.status(scores ? 200 : 503).json(scores ?? { error: "the database does not answer" });
  });
  app.get("/healthz", (request, response) => {
    const [status, word] = isLeaving() ? [503, "leaving"] : [200, "alive"];
    response.status(status).type("text").send(`${word}\n`);
  });
  app.use(files(folder("public")));
  return app;
}

function main() {
  const settings = databaseSettings(process.env);
  const database = new pg.Pool(settings);
  database.on("error", (error) => console.error(`an idle connection was lost: ${error.message}`));

  let sockets = null;
  let outage = null;
  const scoreboard = new Scoreboard(database, {
    onScores(scores) {
      if (outage !== null) {
        console.log("the database answers again");
        outage = null;
      }
      sockets.emit("scores", JSON.stringify(scores));
    },
    onOutage(error) {
      if (outage !== error.message) {
        console.error(`the votes could not be counted: ${error.message}`);
        outage = error.message;
      }
      sockets.emit("outage");
    },
  });

  let leaving = false;
  const server = createServer(createApp(scoreboard, optionNames(process.env), () => leaving));
  sockets = new Server(server, { serveClient: true, ...HEARTBEAT });
  sockets.on("connection", (socket) => {
    const scores = scoreboard.latest();
    if (scores) {
      socket.emit("scores", JSON.stringify(scores));
    } else {
      socket.emit("outage");
    }
  });

  // Nobody is sent here before there is something to show, or no database to ask.
  scoreboard.start().then(() => {
    server.listen(80, "0.0.0.0", () => console.log("the result page is served on port 80"));
  });

  function stop() {
    scoreboard.stop();
    setTimeout(() => process.exit(0), STOP_MS).unref();
    sockets.close(() => database.end().finally(() => process.exit(0)));
  }
  process.on("SIGTERM", () => {
    leaving = true;
    setTimeout(stop, LEAVE_MS);
  });
  process.on("SIGINT", stop);
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
