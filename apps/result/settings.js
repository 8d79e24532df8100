// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

import { readFileSync } from "node:fs";

/**
 * The database's settings, in the shape that pg's pool takes, from the environment.
 * Throws an Error that names the setting when there is no password.
 */
export function databaseSettings(env) {
  const user = env.POSTGRES_USER || "postgres";
  return {
    host: "db",
    user,
    database: env.POSTGRES_DB || user,
    password: password(env),
    application_name: "result",
    max: 2,
    connectionTimeoutMillis: 3000,
    query_timeout: 5000,
    idleTimeoutMillis: 30000,
    keepAlive: true,
  };
}

function password(env) {
  if (env.POSTGRES_PASSWORD_FILE) {
    return readFileSync(env.POSTGRES_PASSWORD_FILE, "utf8").replace(/\n+$/, "");
  }
  if (env.POSTGRES_PASSWORD) {
    return env.POSTGRES_PASSWORD;
  }
  throw new Error("Set POSTGRES_PASSWORD_FILE (a file's path) or POSTGRES_PASSWORD to the database's password.");
}

/** What the two choices are called: {a: text, b: text}. */
export function optionNames(env) {
  return { a: env.OPTION_A || "Cats", b: env.OPTION_B || "Dogs" };
}
