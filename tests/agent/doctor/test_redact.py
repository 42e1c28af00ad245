"""What nobody else may read is taken out of a text, wherever it stands."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.doctor.redact import GONE, redacted


@pytest.mark.parametrize(
    "form",
    [
        'password = "{}"',
        "password='{}'",
        '  "api_token" = "{}"',
        'tls = {{ key_password = "{}", ca = "/etc/ca.pem" }}',
        'source = "rtsp://viewer:{}@10.30.0.7/stream2"',
        'broker = "mqtts://{}@broker.example:8883"',
        "pin = {}",
        'community = "{}"',
        'contact = "{}@vaasa.example"',
        'secret = """\n{}\n"""',
    ],
)
def test_a_secret_is_taken_out_by_what_it_stands_behind(form: str) -> None:
    value = secrets.token_hex(8)
    told = redacted(form.format(value))
    assert value not in told
    assert GONE in told


@pytest.mark.parametrize(
    "text",
    [
        'password = "credential:city"',
        'key = "/etc/citygate/gw1.key"',
        'host = "10.20.0.15"',
        '[device.main-meter]\nunit = 1\nprofile = "eastron/sdm630"',
        'broker = "mqtts://broker.vaasa.example:8883"',
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert redacted(text) == text


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=4, max_size=40))
def test_a_known_secret_is_found_in_any_text(value: str) -> None:
    assert value not in redacted(f"before {value} after", [value]).replace(GONE, "")


def test_a_secret_of_three_letters_does_not_tear_every_text_apart() -> None:
    assert redacted("the cat sat there", {"cat", "sat t"}) == f"the cat {GONE}here"
