# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers with a kernel of their own: routing mesh, encrypted networks, real reboots and power cuts."""

from __future__ import annotations

from functools import partial

from tests.acceptance import encryption, kinds, late_interfaces, mesh, reboots
from tests.acceptance.rows import Row
from tests.acceptance.stage import Setting, Stage

SETTING = Setting(
    machines="vm",
    variables={
        "voting_app_publish": "mesh",
        "voting_app_data": "single",
        "voting_app_encrypt_networks": True,
        "swarm_ingress_encrypted": True,
    },
)


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [
        Row("main-job", "main job, routing mesh, encrypted networks", partial(mesh.main_job, stage)),
        Row("encryption", "encrypted overlay networks", partial(encryption.judge, stage)),
        Row("again", "second run", partial(mesh.second_run, stage)),
        Row("reboot", "each server rebooted in turn", partial(reboots.one_by_one, stage)),
        Row("power-cut", "power cut of all servers at once", partial(reboots.all_at_once, stage)),
        Row("interface", "private interface 60 s late, and never", partial(late_interfaces.judge, stage)),
        Row("kinds", "the same playbooks on both kinds of machines", partial(kinds.judge, stage)),
    ]
