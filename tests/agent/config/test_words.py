"""Sizes, widths, addresses and hints are read and guessed as people mean them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from agent.config.brokers import Broker, is_loopback, parse_broker
from agent.config.hints import measure_hint, name_hint, nearest, quotes_hint
from agent.config.size import Size
from agent.config.widths import USUAL, width
from agent.core.duration import Duration


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512_000_000), ("1GiB", 2**30), ("1.5 kB", 1500), (" 0B ", 0)]
)
def test_a_size_has_a_unit(text: str, size: int) -> None:
    assert Size.parse(text) == size


@pytest.mark.parametrize("text", ["512", "512mb", "MB", "-1MB", 512, None])
def test_a_size_without_a_known_unit_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        Size.parse(text)


@given(st.integers(0, 2**50).map(Size))
def test_a_size_reads_back_from_its_text(size: Size) -> None:
    assert Size.parse(str(size)) == size


@pytest.mark.parametrize("text", USUAL)
def test_usual_widths_divide_an_hour_or_a_day(text: str) -> None:
    assert width(text) == Duration.parse(text)


@pytest.mark.parametrize("text", ["7m", "45m", "5h", "13h", "1d", "0s", "100ms", "1.5s", "", "fortnight"])
def test_other_widths_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        width(text)


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtts://broker.example", Broker("broker.example", 8883, is_encrypted=True)),
        ("MQTT://Broker.Example:1884/", Broker("broker.example", 1884, is_encrypted=False)),
        ("mqtt://[::1]:1883", Broker("::1", 1883, is_encrypted=False)),
        ("mqtts://10.0.0.1", Broker("10.0.0.1", 8883, is_encrypted=True)),
        ("wss://a.example", Broker("a.example", 443, is_encrypted=True, is_websocket=True)),
        ("ws://a:8080/", Broker("a", 8080, is_encrypted=False, is_websocket=True, path="/")),
        ("WSS://[::1]:9/a/$b", Broker("::1", 9, is_encrypted=True, is_websocket=True, path="/a/$b")),
    ],
)
def test_an_address_names_host_port_and_encryption(text: str, broker: Broker) -> None:
    assert parse_broker(text) == broker


@pytest.mark.parametrize(
    "text",
    [
        "broker.example", "http://broker.example", "mqtts://", "mqtts://a b", "mqtts://a:0", "mqtts://a:x",
        "mqtts://a?x=1", "mqtts://u@a", "mqtts://u:p@a", "mqtts://a/topic", "mqtts://-a", "",
        "wss://a/mqtt?token=x", "wss://u:p@a/mqtt", "wss://a/mq tt", "wss://a/#", "wss://a:0/mqtt", "https://a",
    ],
)  # fmt: skip
def test_an_address_with_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_broker(text)


def test_loopback_is_this_computer_only() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("127.0.0.1.example", "10.0.0.1", "localhost.example", "")))


def test_the_nearest_word_is_found_whatever_its_case() -> None:
    assert nearest("Modbus_TCP", ("modbus-tcp", "bacnet-ip")) == 'did you mean "modbus-tcp"?'
    assert nearest("zzz", ("b", "a")) == "known: a, b"
    assert nearest("zzz", [f"word{n}" for n in range(40)]) == ""


@pytest.mark.parametrize(
    ("value", "wanted", "hint"),
    [
        (10, Duration, "10s"), ("15min", Duration, "15m"), ("2 Hours", Duration, "2h"), (True, Duration, ""),
        (512, Size, "512MB"), ("1gib", Size, "1GiB"), ("2g", Size, "2GB"), ("soon", Duration, ""),
    ],
)  # fmt: skip
def test_a_forgotten_unit_is_guessed(value: object, wanted: type, hint: str) -> None:
    assert measure_hint(value, wanted) == (f'did you mean "{hint}"?' if hint else "")


def test_a_name_is_guessed_from_what_people_call_things() -> None:
    pattern = r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$"
    assert name_hint("Älvsborg Östra", pattern) == 'did you mean "alvsborg-ostra"?'
    assert name_hint("日本", pattern) == ""


def test_quotes_are_asked_for_where_they_help() -> None:
    number, text, yes = inspect.IntType(), inspect.StrType(), inspect.BoolType()
    assert quotes_hint("12", number) == "write 12 without quotes"
    assert quotes_hint(12, text) == 'write "12"'
    assert quotes_hint("True", yes) == "write true without quotes"
    assert quotes_hint("twelve", number) == ""
