"""Units convert as the books say, and a misspelt one finds its right spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.units import UNITS, commensurable, convert, convert_difference, dimension, known, nearest


@pytest.mark.parametrize(
    ("value", "from_", "to", "expected"),
    [
        (1.5, "kW", "W", 1500.0),
        (2.0, "MW", "kW", 2000.0),
        (1.0, "kW.h", "MJ", 3.6),
        (1.0, "MW.h", "kW.h", 1000.0),
        (7.2, "GJ", "MW.h", 2.0),
        (11.0, "kV", "V", 11000.0),
        (250.0, "mA", "A", 0.25),
        (0.0, "Cel", "K", 273.15),
        (212.0, "[degF]", "Cel", 100.0),
        (-40.0, "Cel", "[degF]", -40.0),
        (50.0, "%", "1", 0.5),
        (400.0, "[ppm]", "%", 0.04),
        (1.013, "bar", "hPa", 1013.0),
        (1.0, "kPa", "Pa", 1000.0),
        (3.6, "m3/h", "L/s", 1.0),
        (1000.0, "L", "m3", 1.0),
        (36.0, "km/h", "m/s", 10.0),
        (90.0, "min", "h", 1.5),
        (2.0, "d", "h", 48.0),
        (50.0, "Hz", "/min", 3000.0),
        (1.0, "mg/m3", "ug/m3", 1000.0),
        (4.7, "kOhm", "Ohm", 4700.0),
        (3.0, "kvar.h", "var.h", 3000.0),
        (1.0, "[HP]", "W", 745.69987),
        (1.0, "[Btu_IT]", "J", 1055.0559),
        (12000.0, "[Btu_IT]/h", "kW", 3.5168528),
        (1.0, "[psi]", "Pa", 6894.7573),
        (1.0, "[in_i'H2O]", "Pa", 249.08891),
        (1.0, "[in_i'Hg]", "kPa", 3.3863788),
        (760.0, "mm[Hg]", "hPa", 1013.2472),
        (1.0, "[ft_i]", "m", 0.3048),
        (1.0, "[mi_i]/h", "km/h", 1.609344),
        (1.0, "[cft_i]/min", "m3/h", 1.6990108),
        (1.0, "[gal_us]/min", "L/min", 3.7854118),
        (1.0, "[gal_br]", "L", 4.54609),
        (1.0, "[lb_av]", "kg", 0.45359237),
        (1.0, "lm/[sft_i]", "lx", 10.763910),
        (180.0, "deg", "rad", 3.1415927),
        (1.0, "a", "d", 365.25),
        (1.0, "g/L", "mg/m3", 1e6),
        (1.0, "mS", "uS", 1000.0),
    ],
)
def test_units_convert(value: float, from_: str, to: str, expected: float) -> None:
    assert convert(value, from_, to) == pytest.approx(expected)


@pytest.mark.parametrize(("from_", "expected"), [("[degF]", 5.0), ("K", 9.0), ("Cel", 9.0)])
def test_a_difference_has_no_zero_point(from_: str, expected: float) -> None:
    assert convert_difference(9.0, from_, "Cel") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("from_", "to"), [("kW", "kW.h"), ("W", "VA"), ("VA", "var"), ("dB", "1"), ("Cel", "%")]
)
def test_what_measures_something_else_does_not_convert(from_: str, to: str) -> None:
    assert not commensurable(from_, to)
    with pytest.raises(ValueError, match=r"measures .* no conversion"):
        convert(1.0, from_, to)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("kWh", "kW.h"),
        ("KWH", "kW.h"),
        ("kwh", "kW.h"),
        ("°C", "Cel"),
        ("C", "Cel"),
        ("degC", "Cel"),
        ("ppm", "[ppm]"),
        ("m³/h", "m3/h"),
        ("l/s", "L/s"),
        ("lux", "lx"),
        ("Kw", "kW"),
        ("kvarh", "kvar.h"),
        ("hpa", "hPa"),
        ("cfm", "[cft_i]/min"),
        ("PSI", "[psi]"),
        ("", "1"),
    ],
)
def test_a_misspelt_unit_finds_its_code(written: str, meant: str) -> None:
    assert not known(written)
    assert nearest(written)[0] == meant


def test_an_unknown_unit_is_a_sentence_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r'no unit is called "kWh"; did you mean "kW\.h"'):
        dimension("kWh")
    assert nearest("furlong per fortnight") == ()


@given(st.sampled_from(sorted(UNITS)), st.data(), st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same_value(one: str, data: st.DataObject, value: float) -> None:
    other = data.draw(st.sampled_from([code for code in UNITS if commensurable(code, one)]))
    assert convert(convert(value, one, other), other, one) == pytest.approx(value, abs=1e-6)


def test_a_unit_converts_into_itself_without_a_trace() -> None:
    assert all(convert(0.1 + 0.2, code, code) == 0.1 + 0.2 for code in UNITS)
