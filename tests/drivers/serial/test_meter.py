"""A meter's telegrams become samples: right values, units and times, and reasons where there are none."""

from __future__ import annotations

import pytest

from agent.core import units
from agent.core.duration import Duration
from agent.core.sample import Meter, Sample
from drivers.p1 import P1Device, P1Point
from drivers.serial.meter import P1Meter
from drivers.serial.obis import KNOWN, UNITS
from drivers.serial.telegram import Telegram, TelegramParser
from tests.drivers.serial.telegrams import (
    DSMR_22,
    DSMR_42,
    DSMR_50,
    FINLAND,
    FLUVIUS,
    HUNGARY,
    LUXEMBOURG,
    SWEDEN,
    replaced,
    told,
)

HOUR = 3600.0


def telegram(lines: tuple[str, ...]) -> Telegram:
    (found,) = TelegramParser().feed(told(lines, checksum=lines != DSMR_22))
    return found


def meter(every: float = 10.0, **points: P1Point) -> P1Meter:
    device = P1Device(name="home", every=Duration(every), points=points)
    return P1Meter("home", every, tuple(device.wants()))


def values(samples: list[Sample]) -> dict[str, float | None]:
    return {one.point.removeprefix("home."): one.value for one in samples}


def gas(one: P1Meter, lines: tuple[str, ...], at: float) -> list[tuple[float | None, str]]:
    return [
        (sample.value, sample.why)
        for sample in one.hear(telegram(lines), at).fresh
        if sample.point == "home.gas_volume" and not isinstance(sample, Meter)
    ]


def read(lines: tuple[str, ...], taken: str, volume: str, *, now: str = "261121200100W") -> tuple[str, ...]:
    return replaced(lines, now=f"0-0:1.0.0({now})", gas=f"0-1:24.2.1({taken})({volume}*m3)")


CASES = {
    "dsmr-2.2": (
        DSMR_22,
        {"import_energy_t1": 234.567, "export_energy_t2": 2.002, "active_power_import": 1.01, "tariff": 1,
         "power_limit": 999, "breaker": 1, "gas_volume": 124.477},
    ),
    "dsmr-4.2": (
        DSMR_42,
        {"import_energy_t2": 1435.706, "active_power_import": 2.027, "power_failures": 15, "tariff": 2,
         "long_power_failures": 7, "active_power_import_l1": 0.17, "current_l1": 0, "gas_volume": 981.443},
    ),
    "dsmr-5.0": (
        DSMR_50,
        {"import_energy_t1": 4.426, "voltage_l2": 231.5, "current_l1": 1, "active_power_import_l3": 0.075,
         "voltage_sags_l3": 0, "voltage_swells_l1": 0, "active_power_export_l2": 0, "gas_volume": 0.107},
    ),
    "fluvius": (
        FLUVIUS,
        {"demand_import": 2.351, "demand_import_highest": 2.589, "current_l1": 0.12, "current_limit": 999,
         "gas_volume": 112.384, "water_volume": 872.234},
    ),
    "luxembourg": (
        LUXEMBOURG,
        {"import_energy": 73.13, "import_reactive_energy": 0.002, "export_reactive_energy": 15.003,
         "reactive_power_export": 0.013},
    ),
    "sweden": (
        SWEDEN,
        {"import_energy": 6678.394, "active_power_import_l1": 1.023, "reactive_power_export_l1": 0.009,
         "voltage_l3": 241.3, "current_l2": 1.6},
    ),
    "finland": (FINLAND, {"export_reactive_energy": 1020.971}),
    "hungary": (
        HUNGARY,
        {"import_energy_t2": 125.921, "import_energy_t4": 0, "power_factor": 0.995, "power_factor_l1": 0.995,
         "frequency": 50, "export_energy": 627.177, "active_power_export": 0.228},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "wanted"), CASES.values(), ids=CASES)
def test_the_lines_of_each_country_become_values(lines: tuple[str, ...], wanted: dict[str, float]) -> None:
    got = values(list(meter().hear(telegram(lines), 5.0).fresh))
    assert {name: got.get(name) for name in wanted} == wanted


def test_every_sample_is_good_and_stamped_with_its_arrival() -> None:
    for lines in (DSMR_22, DSMR_50, FLUVIUS, SWEDEN, HUNGARY):
        for sample in meter().hear(telegram(lines), 5.0).fresh:
            assert (sample.at, sample.why) == (5.0, ""), sample


def test_a_limit_in_volt_amperes_is_no_limit_in_watts() -> None:
    samples = values(list(meter().hear(telegram(LUXEMBOURG), 5.0).fresh))
    whys = {one.point: one.why for one in meter().hear(telegram(LUXEMBOURG), 5.0).fresh}
    assert samples["power_limit"] is None
    assert whys["home.power_limit"] == "other_unit"


def test_units_convert_into_the_one_that_is_wanted() -> None:
    lines = replaced(SWEDEN, power="1-0:21.7.0(000089.65*W)")
    heat = (*lines, "0-1:24.1.0(004)", "0-1:24.2.1(261121200000W)(00012.345*GJ)")
    one = meter(heat_energy=P1Point(unit="kW.h"))
    got = values(list(one.hear(telegram(heat), 5.0).fresh))
    assert got["active_power_import_l1"] == pytest.approx(0.08965)
    assert got["heat_energy"] == pytest.approx(12.345e6 / 3600)


def test_a_point_that_the_meter_does_not_have_gives_no_samples_but_an_answer() -> None:
    heard = meter().hear(telegram(SWEDEN), 5.0)
    assert "gas_volume" not in values(list(heard.fresh))
    assert {one.sample.why for one in heard.readings if one.sample.point == "home.gas_volume"} == {
        "not_available"
    }
    assert len(heard.readings) == len(KNOWN)


def test_a_point_that_was_named_or_was_there_before_is_missed() -> None:
    named = meter(gas_volume=P1Point(label="Gas")).hear(telegram(SWEDEN), 5.0).fresh
    assert [one.why for one in named if one.point == "home.gas_volume"] == ["not_available"]
    one = meter()
    one.hear(telegram(SWEDEN), 5.0)
    lines = tuple(line for line in SWEDEN if not line.startswith("1-0:32.7.0"))
    whys = {sample.point: sample.why for sample in one.hear(telegram(lines), 15.0).fresh}
    assert whys["home.voltage_l1"] == "not_available"


def test_telegrams_each_second_give_samples_at_the_wanted_pace() -> None:
    one = meter(every=10.0)
    fresh = [len(one.hear(telegram(SWEDEN), float(second)).fresh) for second in range(31)]
    assert [second for second, number in enumerate(fresh) if number] == [0, 10, 20, 30]


def test_a_gas_reading_is_told_once_although_each_telegram_repeats_it() -> None:
    one = meter()
    assert gas(one, read(DSMR_42, "261121200000W", "00981.443"), 0.0) == [(981.443, "")]
    assert gas(one, read(DSMR_42, "261121200000W", "00981.443"), 10.0) == []
    assert gas(one, read(DSMR_42, "261121210000W", "00981.443", now="261121210013W"), 3600.0) == [
        (981.443, "")
    ]


def test_a_new_gas_reading_is_told_between_two_beats() -> None:
    one = meter(every=60.0)
    gas(one, read(DSMR_42, "261121200000W", "1"), 0.0)
    assert gas(one, read(DSMR_42, "261121210000W", "2", now="261121210013W"), 7.0) == [(2.0, "")]


def test_somebody_who_asks_sees_how_old_a_gas_reading_is() -> None:
    readings = meter().hear(telegram(read(DSMR_42, "261121194500W", "5")), 5000.0).readings
    (reading,) = [one for one in readings if one.sample.point == "home.gas_volume"]
    assert (reading.sample.value, reading.sample.at) == (5.0, 5000.0 - 16 * 60)
    assert reading.raw == "0-1:24.2.1(261121194500W)(5*m3)"


def test_summer_time_ends_without_an_hour_too_much() -> None:
    lines = read(DSMR_42, "261025025500S", "5", now="261025020000W")
    readings = meter().hear(telegram(lines), 5000.0).readings
    assert [one.sample.at for one in readings if one.sample.point == "home.gas_volume"] == [4700.0]


def test_a_gas_meter_that_has_gone_is_stale_by_the_meters_clock() -> None:
    one = meter()
    assert gas(one, read(DSMR_42, "261121173000W", "5"), 0.0) == [(None, "stale")]
    assert gas(one, read(DSMR_42, "261121173000W", "5"), 10.0) == []
    assert gas(one, read(DSMR_42, "261121200000W", "6"), 20.0) == [(6.0, "")]


def test_without_a_meters_clock_it_is_stale_by_ours() -> None:
    one = meter()
    assert gas(one, DSMR_22, 0.0) == [(124.477, "")]
    assert gas(one, DSMR_22, 2.5 * HOUR) == []
    assert gas(one, DSMR_22, 2.6 * HOUR) == [(None, "stale")]


def test_a_gas_reading_is_told_again_after_a_silence_of_the_port() -> None:
    one = meter()
    gas(one, read(DSMR_42, "261121200000W", "5"), 0.0)
    assert "home.gas_volume" in one.missed()
    assert gas(one, read(DSMR_42, "261121200000W", "5"), 60.0) == [(5.0, "")]


@pytest.mark.parametrize("never", ["700101010000W", "632525252525W", "", "0"])
def test_a_meter_that_was_never_read_has_no_value(never: str) -> None:
    lines = replaced(DSMR_42, gas=f"0-1:24.2.1({never})(00000000)")
    assert gas(meter(), lines, 0.0) == []
    assert gas(meter(gas_volume=P1Point(label="Gas")), lines, 0.0) == [(None, "not_available")]


@pytest.mark.parametrize(
    "first", ["0-1:24.2.1(700101010000W)(00000000)", "0-1:24.2.1(170904112508S)(00000.110*m3)"]
)
def test_after_an_exchange_the_living_gas_meter_counts(first: str) -> None:
    lines = (
        *replaced(DSMR_42, gas=first, now="0-0:1.0.0(261121200100W)"),
        "0-2:24.1.0(003)",
        "0-2:24.2.1(261121200000W)(06990.193*m3)",
    )
    assert gas(meter(), lines, 0.0) == [(6990.193, "")]


def test_two_living_gas_meters_are_ambiguous_until_one_is_named() -> None:
    lines = (*DSMR_42, "0-2:24.1.0(003)", "0-2:24.2.1(261121200000W)(06990.193*m3)")
    assert gas(meter(), lines, 0.0) == [(None, "ambiguous")]
    named = meter(gas_volume=P1Point(obis="0-2:24.2.1", unit="m3"))
    assert gas(named, lines, 0.0) == [(6990.193, "")]


def test_any_line_can_be_a_point_by_its_code() -> None:
    one = meter(combined=P1Point(obis="1-0:15.8.0", unit="kW.h"), short=P1Point(obis="15.8.0", unit="MW.h"))
    got = values(list(one.hear(telegram(HUNGARY), 5.0).fresh))
    assert got["combined"] == 800.817
    assert got["short"] == pytest.approx(0.800817)


@pytest.mark.parametrize("text", ["abc", "1.2.3*kWh", "1e5*kWh", "1_0*kWh", "--1*kWh", "1*"])
def test_what_is_no_number_is_malformed(text: str) -> None:
    lines = replaced(SWEDEN, energy=f"1-0:1.8.0({text})")
    fresh = meter().hear(telegram(lines), 0.0).fresh
    assert [(one.value, one.why) for one in fresh if one.point == "home.import_energy"] == [
        (None, "malformed")
    ]


def test_every_known_unit_is_one_that_the_gateway_knows() -> None:
    assert all(units.known(code) for code in UNITS.values())
    assert all(units.known(one.settings.unit) for one in KNOWN.values())


def test_no_two_known_points_have_one_code() -> None:
    codes = [one.code for one in KNOWN.values() if one.code]
    assert len(codes) == len(set(codes))
    media = [kind for one in KNOWN.values() for kind in one.media]
    assert len(media) == len(set(media))


# --- whose it is ------------------------------------------------------------------------------------


def words(one: P1Meter, lines: tuple[str, ...], at: float) -> list[str]:
    """Give what a telegram leads to: marks as ``point new``, counters as ``point``."""
    names = {f"home.{name}" for name in ("import_energy_t1", "gas_volume")}
    return [
        sample.point.removeprefix("home.")
        + (" new" if isinstance(sample, Meter) and sample.new else "")
        + (" of" if isinstance(sample, Meter) else "")
        for sample in one.hear(telegram(lines), at).fresh
        if sample.point in names
    ]


OTHER = ("0-0:96.1.1(4530303435303033383833343436353137)", "0-1:96.1.0(4730303332353631323831363233343137)")


def changed(lines: tuple[str, ...], *numbers: str) -> tuple[str, ...]:
    return tuple(
        next((one for one in numbers if one.partition("(")[0] == line.partition("(")[0]), line)
        for line in lines
    )


def test_a_meter_says_whose_its_counters_are_before_their_first_value() -> None:
    one = meter()
    assert words(one, DSMR_50, 0) == [
        "import_energy_t1 of",
        "import_energy_t1",
        "gas_volume of",
        "gas_volume",
    ]
    assert words(one, DSMR_50, 10) == ["import_energy_t1"]
    assert words(one, DSMR_50, 3601)[0] == "import_energy_t1 of", (
        "again each hour, for who listens since then"
    )


def test_another_number_counts_when_it_is_said_twice() -> None:
    one, other = meter(), changed(DSMR_50, *OTHER)
    words(one, DSMR_50, 0)
    assert words(one, other, 10) == [], "no counter while it is not sure"
    assert words(one, other, 20) == [
        "import_energy_t1 new of",
        "import_energy_t1",
        "gas_volume new of",
    ]
    assert words(one, other, 30) == ["import_energy_t1"]


def test_one_garbled_number_changes_nothing() -> None:
    one = meter()
    words(one, DSMR_50, 0)
    words(one, changed(DSMR_50, *OTHER), 10)
    assert words(one, DSMR_50, 20) == ["import_energy_t1"]


def test_the_gas_meter_alone_may_be_replaced() -> None:
    one, other = meter(), read(changed(DSMR_50, OTHER[1]), "261121210000W", "00000.100", now="261121210100W")
    words(one, DSMR_50, 0)
    assert words(one, other, 3000) == ["import_energy_t1"]
    assert words(one, other, 3010) == ["import_energy_t1", "gas_volume new of", "gas_volume"]


def test_no_number_of_a_meter_goes_on() -> None:
    marks = [one for one in meter().hear(telegram(DSMR_50), 0).fresh if isinstance(one, Meter)]
    assert marks
    assert {len(one.meter) for one in marks} == {4}
    assert all(set(one.meter) <= set("0123456789abcdef") for one in marks)
    flats = [P1Meter(name, 10.0, tuple(P1Device(name=name).wants())) for name in ("a", "b")]
    seen = [
        {one.meter for one in flat.hear(telegram(DSMR_50), 0).fresh if isinstance(one, Meter)}
        for flat in flats
    ]
    assert not seen[0] & seen[1], "and the same meter elsewhere cannot be told to be the same"


def test_a_reading_behind_the_meter_may_come_without_its_time() -> None:
    lines = replaced(DSMR_42, gas="0-1:24.2.1(00123.456*m3)")
    assert gas(meter(), lines, 0.0) == [(123.456, "")]


def test_a_reading_that_is_named_and_not_there_gives_nothing_of_another_meter() -> None:
    named = meter(gas_volume=P1Point(obis="0-4:24.2.1", unit="m3"))
    assert gas(named, DSMR_42, 0.0) == [(None, "not_available")]
