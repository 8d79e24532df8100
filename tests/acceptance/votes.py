# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Voting and reading results as a person's browser does, at the pages of a node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial

import httpx

from lab.daemons import wait_for

SECONDS_UNTIL_COUNTED = 30


def cast(address: str, voter: str, choice: str) -> None:
    """Vote at a node's vote page."""
    page = f"http://{address}:8080/"
    httpx.post(page, data={"vote": choice}, headers={"Cookie": f"voter_id={voter}"}, trust_env=False).raise_for_status()


def totals(address: str) -> dict[str, int]:
    """The totals that a node's result page shows: {"a": votes, "b": votes}. It speaks Socket.IO over polling."""
    with httpx.Client(base_url=f"http://{address}:8081/socket.io/", trust_env=False) as page:
        protocol = {"EIO": "4", "transport": "polling"}
        opened = page.get("", params=protocol).raise_for_status()
        session = protocol | {"sid": json.loads(opened.text[1:])["sid"]}
        page.post("", params=session, content="40").raise_for_status()
        while True:
            for packet in page.get("", params=session).raise_for_status().text.split("\x1e"):
                if packet.startswith('42["scores"'):
                    shown: dict[str, int] = json.loads(json.loads(packet[2:])[1])
                    return shown


def pairs_counted(addresses: Mapping[str, str]) -> list[str]:
    """Vote through each node with a new voter and look for the vote at each: the pairs where it was seen counted.

    addresses: by the node's name. A pair reads "voted through > seen on".
    """
    counted = []
    for index, (through, address) in enumerate(addresses.items()):
        choice = "ab"[index % 2]
        wanted = totals(address)
        wanted[choice] += 1
        cast(address, f"acceptance-{through}", choice)
        for seen_on, other in addresses.items():
            if wait_for(partial(shows, other, wanted), seconds=SECONDS_UNTIL_COUNTED):
                counted.append(f"{through} > {seen_on}")
    return counted


def shows(address: str, wanted: Mapping[str, int]) -> bool:
    """Whether a node's result page shows exactly these totals."""
    return totals(address) == wanted
