// SPDX-FileCopyrightText: 2026 Triad contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Loaded before the result page in tests: it is served on the loopback interface at PORT, and finds its database there.

import dns from "node:dns";
import { Server } from "node:net";

const { listen } = Server.prototype;
Server.prototype.listen = function listenHere(port, host, ...rest) {
  return listen.call(this, Number(process.env.PORT), "127.0.0.1", ...rest);
};

const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(name === "db" ? "127.0.0.1" : name, ...rest);
