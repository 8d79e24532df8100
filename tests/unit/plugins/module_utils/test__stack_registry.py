# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError
from requests.exceptions import ReadTimeout

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_registry import digest_of


def registry(answer: Any) -> Any:
    def inspect_distribution(_reference: str) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return SimpleNamespace(inspect_distribution=inspect_distribution)


def refusal(words: str) -> APIError:
    return APIError("refused", explanation=words)


def test_digest() -> None:
    assert digest_of(registry({"Descriptor": {"digest": "sha256:ab"}}), "web:1") == "sha256:ab"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (refusal("manifest unknown: manifest unknown"), "check its name and tag"),
        (refusal("errors: denied: requested access to the resource is denied unauthorized"), "registry_auth"),
        (refusal("Get https://r/v2/: x509: certificate signed by unknown authority"), "/etc/docker/certs.d"),
        (refusal("http: server gave HTTP response to HTTPS client"), "/etc/docker/certs.d"),
        (refusal("dial tcp: lookup r.invalid: no such host"), "resolve_image to never"),
        (refusal("dial tcp 10.0.0.9:5000: connect: connection refused"), "resolve_image to never"),
        (ReadTimeout("slow"), "did not answer in time"),
        (refusal("something else"), "something else."),
    ],
)
def test_what_cannot_be_resolved_is_refused_with_the_way_out(error: Exception, advice: str) -> None:
    with pytest.raises(Refused, match=r"^Cannot resolve the image web:1: ") as refused:
        digest_of(registry(error), "web:1")
    assert advice in str(refused.value)
