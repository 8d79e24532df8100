#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""The ingress network of a swarm, which carries the routing mesh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_ingress
short_description: Converge the ingress network of a Docker Swarm
description:
  - Gives the ingress network, which carries the routing mesh, its MTU and encryption. Runs on a manager, once for the
    swarm.
  - The options of this network cannot be changed in place. It is removed and created anew under its name, with its
    labels and its other driver options. Its subnet is taken from the swarm's pools again.
  - Where the swarm has no ingress network, as after a run that was interrupted, it is created.
  - Do this before other nodes join and before services publish ports. Removing the network takes that none publishes a
    port through it.
author:
  - Triad contributors (@triad)
extends_documentation_fragment:
  - triad.hetzner_swarm.docker
attributes:
  check_mode:
    support: full
    description: What would be refused is refused in check mode too.
  diff_mode:
    support: full
    description: Shows the MTU and the encryption that change.
  idempotent:
    support: full
    description: A network that is as asked for is left as it is.
options:
  mtu:
    description:
      - MTU of the network that the nodes reach each other on, from 576 to 65535. The overlay driver subtracts what its
        own headers take.
      - It is left as it is if not set. The driver's own is 1500.
    type: int
  encrypted:
    description:
      - Whether what the routing mesh passes between nodes is encrypted. It is left as it is if not set.
      - V(true) needs C(esp4) in the kernel of every node. The module looks at the kernel of the node it runs on, see
        RV(triad.hetzner_swarm.swarm_info#module:kernel) for the others.
    type: bool
  when_used:
    description:
      - What happens when the network is not as asked for and services publish ports through it.
      - V(refuse) fails before anything is changed and names the services. V(keep) leaves the network as it is and
        warns.
    type: str
    choices: [refuse, keep]
    default: refuse
  wait_timeout:
    description:
      - Seconds to wait for the removed network to be torn down, for the new one to be listed, and before anything is
        planned for an election to end and a network that was just made to get its subnet.
    type: int
    default: 60
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_member
"""

EXAMPLES = r"""
- name: Fit the routing mesh to a private network with an MTU of 1450
  triad.hetzner_swarm.swarm_ingress:
    mtu: 1450

- name: Encrypt the routing mesh, unless that would cut off services that run
  triad.hetzner_swarm.swarm_ingress:
    encrypted: true
    when_used: keep
"""

RETURN = r"""
ingress:
  description: The ingress network afterwards, in check mode the present one. None where there is none.
  returned: success
  type: dict
  contains:
    name:
      description: The network's name.
      type: str
      returned: success
      sample: ingress
    mtu:
      description: The MTU that the driver was given, that of the network beneath. None where it was given none.
      type: int
      returned: success
      sample: 1450
    encrypted:
      description: Whether the network is encrypted.
      type: bool
      returned: success
      sample: false
    options:
      description: All options of the driver, as the engine lists them.
      type: dict
      returned: success
      sample:
        com.docker.network.driver.mtu: '1450'
        com.docker.network.driver.overlay.vxlanid_list: '4097'
kept_because:
  description: Why a network that is not as asked for was left as it is, see O(when_used). None where it was not.
  returned: success
  type: str
  sample: 'services publish ports through it: shop_web'
plan:
  description: What was done, or in check mode would be done, one line a step.
  returned: success
  type: list
  elements: str
  sample: ['replace network ingress (mtu 1450)']
done:
  description: The steps that the engine has taken before the error.
  returned: failure
  type: list
  elements: str
  sample: ['remove network ingress']
"""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import (
    _engine_module,
    _ingress,
    _kernel,
    _nodes,
    _swarm,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    EngineError,
    connect,
    engine_errors,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step, diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from docker import APIClient

ARGUMENTS: dict[str, dict[str, Any]] = {
    "mtu": {"type": "int"},
    "encrypted": {"type": "bool"},
    "when_used": {"type": "str", "choices": ["refuse", "keep"], "default": "refuse"},
    "wait_timeout": {"type": "int", "default": 60},
}

STILL_THERE = ("already exists", "already present", "being removed")
"""Words that the engine refuses a network with whose predecessor it has not torn down yet."""


class Mesh:
    """The ingress network as it goes through a plan.

    swarm, network: what was read last. done: the steps the engine has taken, even where their effect does not show yet.
    """

    def __init__(self, api: APIClient, wait_timeout: float, done: list[Step]) -> None:
        self.api = api
        self.done = done
        self.wait_timeout = wait_timeout
        self.swarm = _swarm.read(api)
        self.network = self.read() if self.seen else None

    @property
    def seen(self) -> bool:
        """Whether this engine can speak for the swarm."""
        return self.swarm.role == "manager" and not self.swarm.leaderless

    def read(self) -> _ingress.Ingress | None:
        # Not by driver: a network has none until Swarm has allocated it.
        with engine_errors("list the networks of the swarm"):
            return _ingress.find(self.api.networks(filters={"scope": "swarm"}))

    def settle(self) -> None:
        """Wait for what is already under way to end: an election, or the allocation of a network just made."""

        def settled() -> bool:
            return not self.swarm.leaderless and (self.network is None or self.network.allocated)

        def look_again() -> bool:
            self.swarm = _swarm.read(self.api)
            self.network = self.read() if self.seen else None
            return settled()

        if not settled():
            holds_within(self.wait_timeout, look_again)

    def used_by(self) -> list[str]:
        """The services that publish ports through the network."""
        with engine_errors("list the services of the swarm"):
            return _ingress.users(self.api.services())

    def take(self, step: Step) -> None:
        """Carry one step out and wait until it shows."""
        {"replace": self.replace, "create": self.create}[step.verb](step)

    def replace(self, step: Step) -> None:
        try:
            with engine_errors(f"remove the network {step.name}"):
                self.api.remove_network(step.payload["id"])
        except EngineError as error:
            # A run that was interrupted has removed it, and this engine still lists its own part of it.
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        else:
            self.done.append(Step("remove", step.kind, step.name))
        self.create(step)

    def create(self, step: Step) -> None:
        """Create the network as soon as the engine takes it, and wait until it is listed with its options."""
        refusals: list[str] = []
        created: list[str] = []

        def taken() -> bool:
            try:
                with engine_errors(f"create the network {step.name}, without which there is no routing mesh"):
                    answer = self.api.create_network(
                        step.name,
                        driver="overlay",
                        options=step.payload["options"],
                        labels=step.payload["labels"] or None,
                        check_duplicate=True,
                        ingress=True,
                    )
            except EngineError as error:
                if error.status != HTTPStatus.CONFLICT and not any(words in error.reason for words in STILL_THERE):
                    raise
                refusals.append(error.reason)
                return False
            created.append(answer["Id"])
            return True

        def listed() -> bool:
            self.network = self.read()
            return self.network is not None and self.network.id in created and self.network.allocated

        if not holds_within(self.wait_timeout, taken):
            raise EngineError(
                f"The network {step.name} could not be created for {self.wait_timeout:g} s, because the engine says: "
                f"{refusals[-1]}. Until it is there, no service can publish ports through the routing mesh. Run this "
                "again, with a greater wait_timeout where the engine only takes longer."
            )
        self.done.append(Step("create", step.kind, step.name))
        if not holds_within(self.wait_timeout, listed):
            raise EngineError(
                f"The network {step.name} is not listed with a subnet {self.wait_timeout:g} s after it was created. "
                "See the log of the leader's engine (a default_addr_pool with no subnet left is one reason), then run "
                "this again."
            )


def converge(module: AnsibleModule, done: list[Step]) -> dict[str, Any]:
    """The return values; ``done`` grows by each step taken, for a failure to tell how far it came."""
    wish = _ingress.Wish.from_options(module.params)
    mesh = Mesh(connect(module.params), module.params["wait_timeout"], done)
    mesh.settle()
    _nodes.check_manager(mesh.swarm)
    network = mesh.network
    used_by = mesh.used_by() if network is not None and _ingress.differs(wish, network) else []
    steps = _ingress.plan(wish, network, used_by, _kernel.features()["esp4"])
    kept_because = _ingress.kept_because(wish, network, used_by)
    if network is not None and kept_because:
        module.warn(_ingress.remark(wish, network, kept_because))
    if not module.check_mode:
        for step in steps:
            mesh.take(step)
    return {
        "changed": bool(steps),
        "plan": summary(steps),
        "diff": diff(steps),
        "ingress": mesh.network.report() if mesh.network else None,
        "kept_because": kept_because,
    }


def main() -> None:
    _engine_module.run(ARGUMENTS, converge)


if __name__ == "__main__":
    main()
