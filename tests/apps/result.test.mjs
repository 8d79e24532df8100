// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { readScores, Scoreboard } from "../../apps/result/scores.js";
import { databaseSettings, optionNames } from "../../apps/result/settings.js";

/** A database that gives the answers in turn, the last one from then on; an Error is thrown. */
function database(...answers) {
  return {
    asked: 0,
    async query() {
      const answer = answers[Math.min(this.asked++, answers.length - 1)];
      if (answer instanceof Error) {
        throw answer;
      }
      return { rows: answer };
    },
  };
}

const ROWS = [
  { vote: "a", count: 3 },
  { vote: "b", count: 5 },
];

test("counts are read by choice, and what is no choice is left out", async () => {
  assert.deepEqual(await readScores(database([...ROWS, { vote: "constructor", count: 9 }])), { a: 3, b: 5 });
  assert.deepEqual(await readScores(database([{ vote: "b", count: 1 }])), { a: 0, b: 1 });
});

test("before the worker has made its table nothing is counted", async () => {
  const missing = Object.assign(new Error("no table"), { code: "42P01" });
  assert.deepEqual(await readScores(database(missing)), { a: 0, b: 0 });
});

test("the scoreboard goes on through an outage and says so", async () => {
  const told = [];
  await new Promise((resolve) => {
    const board = new Scoreboard(database(ROWS, new Error("away"), ROWS), {
      intervalMs: 1,
      onScores(scores) {
        told.push(scores);
        if (told.length === 3) {
          board.stop();
          resolve();
        }
      },
      onOutage(error) {
        told.push(error.message);
        assert.equal(board.latest(), null);
      },
    });
    assert.equal(board.latest(), null);
    board.start();
  });
  assert.deepEqual(told, [{ a: 3, b: 5 }, "away", { a: 3, b: 5 }]);
});

test("the password comes from a file first", () => {
  const folder = mkdtempSync(join(tmpdir(), "scores-"));
  try {
    writeFileSync(join(folder, "secret"), "from the file\n");
    const settings = databaseSettings({ POSTGRES_PASSWORD_FILE: join(folder, "secret"), POSTGRES_PASSWORD: "plain" });
    assert.equal(settings.password, "from the file");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("settings have the published images' defaults", () => {
  const { host, user, database: name } = databaseSettings({ POSTGRES_PASSWORD: "x" });
  assert.deepEqual({ host, user, name }, { host: "db", user: "postgres", name: "postgres" });
  assert.deepEqual(optionNames({ OPTION_A: "Tea" }), { a: "Tea", b: "Dogs" });
});

test("an account logs in to the database that is named", () => {
  const settings = databaseSettings({
    POSTGRES_USER: "voteapp_1",
    POSTGRES_DB: "postgres",
    POSTGRES_PASSWORD: "x",
  });
  assert.deepEqual([settings.user, settings.database], ["voteapp_1", "postgres"]);
});

test("an account that is refused is an outage", async () => {
  const refused = Object.assign(new Error("password authentication failed"), { code: "28P01" });
  const told = [];
  await new Promise((resolve) => {
    const board = new Scoreboard(database(refused, ROWS), {
      intervalMs: 1,
      onScores(scores) {
        told.push(scores);
        board.stop();
        resolve();
      },
      onOutage: (error) => told.push(error.code),
    });
    board.start();
  });
  assert.deepEqual(told, ["28P01", { a: 3, b: 5 }]);
});

test("without a password the setting is named", () => {
  assert.throws(() => databaseSettings({}), /POSTGRES_PASSWORD_FILE/);
});
