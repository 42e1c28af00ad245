"""What a device is: faulty profiles are passed by, and what devices say is shown as it is."""

from __future__ import annotations

from drivers.modbus.who import known, objects


def test_a_profile_that_is_faulty_or_tells_nothing_recognises_nobody() -> None:
    found = known(
        {
            "acme/valve": {"identify": {"model": 7}},
            "acme/pump": {"identify": {"model": {"addr": 1}}},
            "acme/fan": {"profile": {"vendor": "Acme", "model": "Fan 3"}},
            "acme/boiler": {"profile": "none", "identify": {"maker": {"addr": 1, "text": ["ACME"]}}},
        },
        (),
    )  # fmt: skip
    assert [(one.profile, len(one.checks)) for one in found.kinds] == [
        ("acme/valve", 0),
        ("acme/pump", 0),
        ("acme/fan", 0),
        ("acme/boiler", 1),
    ]
    assert (found.kinds[2].vendor, found.kinds[3].vendor) == ("Acme", "acme")


def test_an_identification_is_read_as_far_as_it_is_whole() -> None:
    whole = b"\0\4ACME\1\3M-1\2\3\x1b\x00x"
    assert objects(whole) == ["ACME", "M-1", "?"]
    assert objects(whole[:8]) == ["ACME"]
    assert objects(b"") == []


def test_an_empty_text_in_an_identification_is_left_out() -> None:
    assert objects(b"\x00\x04ACME\x01\x00\x02\x031.4") == ["ACME", "1.4"]
    assert objects(b"\x00\x04ACME\x01\x09cut") == ["ACME"]
