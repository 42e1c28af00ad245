"""Each key that may hold a secret is known, takes a credential, and is among those that are searched for."""

from __future__ import annotations

from tests.agent.config.secret_keys import platforms, secret_keys, suspects
from tests.agent.test_discretion import ELSEWHERE, KINDS
from tests.systemd.story_secrets import KINDS as ON_A_COMPUTER
from tests.systemd.story_secrets import PLATFORMS

HARMLESS = {"device.points.key"}  # the word before a value on a line of text


def test_whatever_is_called_like_a_secret_takes_a_credential() -> None:
    assert suspects() - secret_keys() == HARMLESS
    assert {"recipient.password", "link.camera.password", "link.modbus-tls.key"} < secret_keys()


def test_a_secret_of_every_kind_is_searched_for_every_day_or_its_reason_is_told() -> None:
    used = {key for keys in KINDS.values() for key in keys}
    assert used | ELSEWHERE == secret_keys()
    assert used & ELSEWHERE == set()


def test_a_secret_of_every_kind_is_searched_for_under_a_real_systemd() -> None:
    assert {key for keys in ON_A_COMPUTER.values() for key in keys} == secret_keys()


def test_the_platforms_that_want_a_login_of_their_own_take_part() -> None:
    assert set(PLATFORMS) == platforms()
