# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The packets of the probes of swarm_paths, by the cases of test__path_probes.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._path_probes import (
    dns_answer,
    dns_query,
    echo_request,
    is_reply,
)

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", DATA["answers"], ids=lambda case: case["case"])
def test_dns_answer(case: dict[str, Any]) -> None:
    packet = bytes.fromhex(case["hex"])
    if case["says"] == "broken":
        with pytest.raises(ConnectionError, match="cannot be read"):
            dns_answer(packet)
    else:
        assert list(dns_answer(packet)) == case["says"]


def test_dns_query() -> None:
    """One question for an A record, recursion desired, and an OPT record for answers of up to 65535 bytes."""
    assert dns_query(0x1234, "tasks.web.back") == bytes.fromhex(
        "1234 0100 0001 0000 0000 000105 7461736b73 03 776562 04 6261636b 00 0001 000100 0029 ffff 00000000 0000"
    )


def test_echo_request() -> None:
    """The sum over a message with a right checksum is 0xffff (RFC 1071), whatever its length."""
    for payload in (b"abcd", b"abcde", b"\xff" * 1372):
        request = echo_request(False, payload)
        padded = request + b"\0" * (len(request) % 2)
        total = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
        assert (request[:2], len(request), total % 0xFFFF) == (b"\x08\0", len(payload) + 8, 0)


def test_only_the_whole_answer_to_a_request_is_its_reply() -> None:
    header = b"\x45" + b"\0" * 19
    request, six = echo_request(False, b"payload!"), echo_request(True, b"payload!")
    assert is_reply(header + b"\0\0\1\2" + request[4:], request)
    assert is_reply(b"\x81\0\1\2" + six[4:], six)
    assert not is_reply(header + request, request)
    assert not is_reply(header + b"\0\0\1\2" + request[4:-1], request)
    assert not is_reply(b"\x81\0\1\2" + echo_request(True, b"another!")[4:], six)
