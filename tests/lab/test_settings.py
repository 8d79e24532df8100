# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings from the environment."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from lab.config import Settings, SettingsError

if TYPE_CHECKING:
    from pathlib import Path


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_environment({})
    assert settings.name == "lab"
    assert settings.endpoint == "http://127.0.0.1:8451/v1"
    assert settings.registry == "198.51.100.1:5000"


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_environment({"LAB_NAME": ""}).name == "lab"


def test_router_and_host_take_the_ends_of_the_public_network() -> None:
    settings = Settings.from_environment({"LAB_PUBLIC_NETWORK": "198.18.7.0/28"})
    assert settings.router_address == ip_address("198.18.7.1")
    assert settings.host_address == ip_address("198.18.7.14")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LAB_NAME", "Not A Name"),
        ("LAB_NAME", "muchtoolonganame"),
        ("LAB_PUBLIC_NETWORK", "198.51.100.7/24"),
        ("LAB_PUBLIC_NETWORK", "198.51.100.0/30"),
        ("LAB_PUBLIC_NETWORK6", "2001:db8::/64"),
        ("LAB_API_PORT", "0"),
        ("LAB_MACHINES", "pebbles"),
        ("LAB_NODE_BASE", "plan9"),
    ],
)
def test_a_bad_setting_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment({variable: value})


def test_a_token_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    settings = Settings.from_environment({"LAB_STATE": str(tmp_path / "state")})
    token = settings.with_token().token
    assert len(token) == 64
    assert settings.with_token().token == token
    assert (tmp_path / "state" / "token").stat().st_mode & 0o777 == 0o600
    assert token not in repr(settings.with_token())


def test_a_given_token_is_not_written_down(tmp_path: Path) -> None:
    settings = Settings.from_environment({"LAB_STATE": str(tmp_path), "LAB_TOKEN": "given"})
    assert settings.with_token().token == "given"
    assert list(tmp_path.iterdir()) == []
