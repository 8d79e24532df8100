// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

const COUNT = "SELECT vote, count(*)::int AS count FROM votes GROUP BY vote";
const UNDEFINED_TABLE = "42P01";

/** The votes in the database as {a: n, b: n}; nothing counted yet while the worker has not made the table. */
export async function readScores(database) {
  const scores = { a: 0, b: 0 };
  try {
    const { rows } = await database.query(COUNT);
    for (const { vote, count } of rows) {
      if (Object.hasOwn(scores, vote)) {
        scores[vote] = count;
      }
    }
  } catch (error) {
    if (error.code !== UNDEFINED_TABLE) {
      throw error;
    }
  }
  return scores;
}

/**
 * Asks the database once per interval, however many people watch, and tells `onScores(scores)` or `onOutage(error)`.
 * `latest()` is the last answer, null while the database does not answer. One question at a time: a slow database is
 * asked less often.
 */
export class Scoreboard {
  #latest = null;
  #timer = null;
  #stopped = false;

  constructor(database, { intervalMs = 1000, onScores, onOutage }) {
    this.database = database;
    this.intervalMs = intervalMs;
    this.onScores = onScores;
    this.onOutage = onOutage;
  }

  latest() {
    return this.#latest;
  }

  async start() {
    const startedAt = Date.now();
    try {
      this.#latest = await readScores(this.database);
      this.onScores(this.#latest);
    } catch (error) {
      this.#latest = null;
      this.onOutage(error);
    }
    if (!this.#stopped) {
      this.#timer = setTimeout(() => this.start(), Math.max(0, this.intervalMs - (Date.now() - startedAt)));
    }
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
