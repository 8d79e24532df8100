# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How kernel features are found, on file systems made for the purpose."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._kernel import features

if TYPE_CHECKING:
    from pathlib import Path

RELEASE = "6.1.0-9-amd64"
NONE = {"ip_vs": False, "vxlan": False, "esp4": False}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, set()),
        ({"sys/module/vxlan/refcnt": b"0"}, {"vxlan"}),
        ({"proc/net/ip_vs": b""}, {"ip_vs"}),
        ({f"lib/modules/{RELEASE}/modules.builtin": b"kernel/net/ipv4/esp4.ko\nkernel/net/ipv6/esp6.ko\n"}, {"esp4"}),
        (
            {
                f"lib/modules/{RELEASE}/modules.dep": b"kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/lib/x.ko.xz\n"
                b"kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/drivers/net/vxlan/vxlan.ko\n"
            },
            {"ip_vs"},
        ),
        ({"lib/modules/5.15.0/modules.builtin": b"kernel/net/ipv4/esp4.ko\n"}, set()),
        (
            {"proc/config.gz": gzip.compress(b"CONFIG_VXLAN=y\n# CONFIG_INET_ESP is not set\nCONFIG_IP_VS=m\n")},
            {"vxlan"},
        ),
        ({f"boot/config-{RELEASE}": b"CONFIG_INET_ESP=y\nCONFIG_IP_VS_RR=y\n"}, {"esp4"}),
        ({"proc/config.gz": b"not gzip", f"boot/config-{RELEASE}": b"CONFIG_IP_VS=y\n"}, {"ip_vs"}),
    ],
)
def test_features(tmp_path: Path, files: dict[str, bytes], found: set[str]) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert features(RELEASE, tmp_path) == {**NONE, **dict.fromkeys(found, True)}


def test_this_kernel() -> None:
    assert features().keys() == NONE.keys()
