"""Where to look, as a person writes it."""

from __future__ import annotations

import pytest

from agent.core.errors import ConfigError
from drivers.modbus.targets import Endpoint, endpoints, is_path, unit_numbers


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.20.0.15", "10.20.0.15", 502),
        ("10.20.0.15:1502", "10.20.0.15", 1502),
        ("gateway.city.example", "gateway.city.example", 502),
        ("meter-1:503", "meter-1", 503),
        ("[fe80::1%eth0]:1502", "fe80::1%eth0", 1502),
        ("2001:db8::7", "2001:db8::7", 502),
        ("[2001:db8::7]", "2001:db8::7", 502),
    ],
)
def test_a_host_may_have_a_port(text: str, host: str, port: int) -> None:
    assert endpoints([text], 502) == [Endpoint(host, port)]


def test_a_subnet_is_its_hosts_and_each_stands_once() -> None:
    found = endpoints(["10.0.0.8/30", "10.0.0.9", "10.0.0.9"], 502)
    assert found == [Endpoint("10.0.0.9", 502), Endpoint("10.0.0.10", 502, named=False)]
    assert endpoints(["10.0.0.9", "10.0.0.8/30"], 502)[0].named
    assert [one.host for one in endpoints(["10.0.0.7/32"], 502)] == ["10.0.0.7"]
    assert len(endpoints(["10.0.0.0/22"], 502)) == 1022


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("10.0.0.0/21", "2,048 addresses"),
        ("2001:db8::/64", "addresses, and a search"),
        ("10.0.0.0/33", "no place to look"),
        ("10.0.0", "no place to look"),
        ("10.0.0.256", "no place to look"),
        ("http://10.0.0.1", "no place to look"),
        ("10.0.0.1:port", "from 1 to 65535"),
        ("10.0.0.1:70000", "from 1 to 65535"),
        ("", "no place to look"),
        ("a b", "no place to look"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        endpoints([text], 502)


def test_a_path_is_no_host() -> None:
    assert is_path("/dev/ttyUSB0")
    assert is_path("./port")
    assert not is_path("10.0.0.0/24")


def test_unit_numbers_keep_their_order_and_stand_once() -> None:
    assert unit_numbers("100, 1-3,2") == (100, 1, 2, 3)


@pytest.mark.parametrize("text", ["", "1-", "5-1", "256", "a", "1;2"])
def test_a_wrong_unit_number_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no unit number"):
        unit_numbers(text)
