"""Who answers, who is silent, since when and why: told once, in sentences."""

from __future__ import annotations

import logging

import pytest

from agent.core.driver import LinkSettings
from agent.core.plan import Link
from agent.core.point import Point
from agent.core.sample import Quality, Sample
from agent.health import Health


class Line(LinkSettings):
    """A link with two meters, one of which has a slow point."""

    def points(self) -> tuple[Point, ...]:
        return (
            Point(name="main-meter.power", every=10.0),
            Point(name="main-meter.energy", every=60.0),
            Point(name="solar-meter.power", every=10.0),
        )

    async def run(self, *_: object) -> None:
        """Never asked."""


LINK = Link(name="plant-room", kind="line", driver=Line(name="plant-room"))


class Watch:
    """Lets time pass second by second while devices are polled every ten seconds."""

    def __init__(self) -> None:
        self.health = Health()
        self.now = 1000.0
        self.health.admit(LINK, self.now)
        self.answers = {"main-meter": "", "solar-meter": ""}
        self.troubled: set[str] = set()

    def run(self, seconds: int, **answers: str) -> None:
        """Let *seconds* pass; an answer is "" for a good one or the reason of a bad one."""
        self.answers.update({name.replace("_", "-"): why for name, why in answers.items()})
        for _ in range(seconds):
            if self.now % 10 == 0:
                for device, why in self.answers.items():
                    if why != "no poll":
                        self.health.observe("plant-room", [self._sample(device, why)], self.now)
            self.health.tick(self.now, self.troubled)
            self.now += 1

    def states(self) -> dict[str, str]:
        """Give each device's state."""
        return {device.name: device.state for device in self.health.devices}

    def _sample(self, device: str, why: str) -> Sample:
        quality = Quality.BAD if why else Quality.GOOD
        return Sample(f"{device}.power", None if why else 1.0, self.now, quality, why)


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Watch:
    """Give a watch whose log lines are caught from INFO on."""
    caplog.set_level(logging.INFO)
    return Watch()


def test_a_device_is_waited_for_until_it_was_heard(watch: Watch) -> None:
    assert watch.states() == {"main-meter": "waiting", "solar-meter": "waiting"}
    watch.run(1)
    assert watch.states() == {"main-meter": "ok", "solar-meter": "ok"}


def test_silence_and_recovery_are_told_as_sentences(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watch.run(60)
    watch.run(180, main_meter="no_reply")
    assert watch.states() == {"main-meter": "silent", "solar-meter": "ok"}
    watch.run(60, main_meter="")
    assert caplog.messages == [
        "main-meter is silent: no reply on plant-room; next try within 10 s",
        "main-meter answers again after 3 min, 18 polls missed",
    ]
    assert watch.states() == {"main-meter": "ok", "solar-meter": "ok"}


def test_a_single_lost_packet_is_no_news(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        watch.run(40, main_meter="")
        watch.run(10, main_meter="no_reply")
    assert caplog.messages == []


def test_a_device_that_never_answered_is_told_at_once(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watch.run(2, solar_meter="no_reply")
    assert caplog.messages == ["solar-meter is silent: no reply on plant-room; next try within 10 s"]


def test_a_device_without_a_connection_is_silent_and_not_said_to_answer(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.run(2, solar_meter="no_connection")
    assert caplog.messages == ["solar-meter is silent: no connection on plant-room; next try within 10 s"]


def test_a_device_that_answers_nonsense_is_faulty_not_silent(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.run(60, solar_meter="exception")
    assert watch.states()["solar-meter"] == "faulty"
    assert caplog.messages == [
        "solar-meter answers on plant-room, but gives no good value: exception; next try within 10 s"
    ]


def test_a_device_of_which_nothing_is_heard_at_all_is_silent(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.run(60)
    watch.run(60, solar_meter="no poll")
    assert watch.states()["solar-meter"] == "silent"
    assert caplog.messages == ["solar-meter is silent: nothing heard on plant-room; next try within 10 s"]


def test_devices_of_a_link_in_trouble_are_not_told_one_by_one(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.troubled.add("plant-room")
    watch.run(300, main_meter="no poll", solar_meter="no poll")
    assert watch.states() == {"main-meter": "silent", "solar-meter": "silent"}
    assert caplog.messages == []


def test_a_device_that_comes_and_goes_does_not_fill_the_journal(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        watch.run(60, main_meter="")
        watch.run(60, main_meter="no_reply")
    assert len(caplog.messages) == 3
    assert "comes and goes" in caplog.messages[-1]


def test_the_figures_say_since_when_and_why(watch: Watch) -> None:
    watch.run(60)
    watch.run(100, main_meter="no_reply")
    device = watch.health.devices[0]
    figures = watch.health.figures(device, watch.now)
    assert figures["state"] == "silent"
    assert figures["why"] == "no_reply"
    assert figures["last_good_s"] == 110.0
    assert figures["for_s"] == 84.0
    assert (figures["points"], figures["points_bad"]) == (2, 1)


def test_the_allowance_of_a_link_follows_its_slowest_device(watch: Watch) -> None:
    assert watch.health.links["plant-room"].allowance == 210.0


def test_a_dismissed_link_leaves_nothing_behind(watch: Watch) -> None:
    watch.run(60)
    watch.health.dismiss("plant-room")
    assert not watch.health.devices
    assert not watch.health.newest


def test_what_belongs_to_no_device_disturbs_none(watch: Watch) -> None:
    stray = Sample("attic.fan", None, watch.now, Quality.BAD, "no_reply")
    watch.health.observe("plant-room", [stray], watch.now)
    watch.run(60)
    assert [one.state for one in watch.health.links["plant-room"].devices] == ["ok", "ok"]
    watch.health.dismiss("cellar")  # it was never admitted
    assert watch.health.links.keys() == {"plant-room"}
