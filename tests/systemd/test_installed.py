"""On a computer with a real systemd the packages install, run in their fence, recover, go forward, and leave.

One computer is booted for all of these tests; `story.py` is what happens on it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from agent.core.sight import What
from tests.systemd.stage import PAGE, Story, played


@pytest.fixture(scope="module", params=["here", pytest.param("debian13", marks=pytest.mark.long)])
def told(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Story]:
    """Play the story of a gateway that goes from one release to the next; the cameras come last.

    It is played on this computer, and at length on a Debian 13 in which nothing else was ever installed.
    """
    packages = {"0.1.0": ["citygate"], "0.2.0": ["citygate", "citygate-vision"]}
    room = tmp_path_factory.mktemp("story")
    if request.param == "here":
        yield played("story", room, packages)
    else:
        yield played("story", room, packages, anew=request.param)
        shutil.rmtree(room / request.param)


def test_the_page_for_newcomers_leads_to_values_at_the_broker(told: Story) -> None:
    for one in told["walk"]:
        assert one["status"] == 0, one
    said = {one["line"]: one["out"] for one in told["walk"]}
    assert 'driver = "modbus-tcp"' in said["citygate scan modbus 10.20.0.15"]
    assert " 3400  W " in said["citygate read main-meter.active_power"]
    assert "citygate.service started: " in said["sudo citygate apply"]
    assert "online" in said["sudo citygate status"]
    heard = [line.partition(" ") for line in told["first_start"]["heard"].splitlines()]
    figures = [body for topic, _, body in heard if "/energy" in topic and '"mean"' in body]
    assert figures
    assert "main-meter.active_power" in figures[-1]


def pictures(page: str) -> Iterator[tuple[int, str]]:
    """Give the pictures of the terminal on *page*, each with how many commands were typed before."""
    typed = 0
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", page, re.M | re.S):
        if language == "text":
            yield typed, block
        typed += len(block.splitlines()) if language == "sh" else 0


def fits(picture: str, seen: str) -> bool:
    """Say whether *seen* is what *picture* shows; ``...`` stands for anything, on a line or for lines."""
    form = re.sub(r"(?m)^\\\.\\\.\\\.\n", "(?:.*\n)*?", re.escape(picture).replace("\\\n", "\n"))
    return re.fullmatch(form.replace(r"\.\.\.", ".*"), f"{seen.strip(chr(10))}\n") is not None


def test_the_pictures_of_the_page_are_what_is_seen(told: Story) -> None:
    found = list(pictures(PAGE.read_text("utf-8")))
    assert len(found) == 7
    for typed, picture in found:
        seen = told["walk"][typed - 1]
        assert fits(picture, seen["out"]), f"{seen['line']} shows\n{seen['out']}"


def test_another_picture_would_be_noticed() -> None:
    assert fits("a ...\n...\nlast\n", "a 1\nb\nc\nlast\n")
    assert not fits("a ...\n...\nlast\n", "a 1\nb\n")
    assert not fits("a 1\n", "a 2\n")


def test_the_first_start_is_ready_and_says_so_in_a_sentence(told: Story) -> None:
    seen = told["first_start"]
    assert (seen["active"], seen["enabled"], seen["man"]) == ("active", "enabled", 0)
    assert seen["status"].startswith("polling 1/1 devices; uplink city ok"), seen["status"]


def test_what_runs_has_few_rights_as_systemd_itself_counts_them(told: Story) -> None:
    for step, bar in (("first_start", 1.2), ("cameras", 0.6)):
        said = told[step]["exposure"]
        found = re.search(r"exposure level for .*: ([\d.]+)", said)
        assert found, said
        assert float(found[1]) <= bar


def test_the_journal_explains_a_line_and_says_what_to_do(told: Story) -> None:
    said = " ".join(told["first_start"]["explained"].split())
    assert "runs at vaasa/library/gw1" in said
    assert "Subject: The gateway runs" in said
    assert "What to do: Nothing. `citygate status` shows how it does." in said


def test_no_port_listens_that_did_not_before(told: Story) -> None:
    assert told["first_start"]["listening"] == told["before"]["listening"]
    assert told["first_start"]["sockets"] == []


def test_bacnet_opens_its_udp_port_and_nothing_else(told: Story) -> None:
    assert {one.rpartition(":")[2] for one in told["reloads"]["sockets"]} == {"47808"}
    assert all(one.startswith("udp ") for one in told["reloads"]["sockets"])


def test_a_secret_is_sealed_and_stands_nowhere_in_clear(told: Story) -> None:
    seen = told["first_start"]
    assert seen["sealed"] == ["city-password"]
    assert seen["clear"] == ""
    assert seen["journal"] == "0"


def test_the_kernel_drops_what_the_configuration_does_not_name(told: Story) -> None:
    assert told["fence"]["err"] == ""
    assert told["fence"]["out"].splitlines() == [
        "10.20.0.15 sent",
        "192.0.2.10 sent",
        "10.20.0.16 Operation not permitted",
        "192.0.2.1 Operation not permitted",
    ]


def test_a_reload_with_a_fault_changes_nothing_and_one_without_does(told: Story) -> None:
    seen = told["reloads"]
    for one in ("bad", "good", "outside"):
        assert (seen[one]["active"], seen[one]["pid"]) == ("active", seen["pid"])
    assert seen["bad"]["status"].startswith("the new configuration has faults")
    assert seen["good"]["status"].startswith("polling")


def test_a_reload_that_names_an_address_outside_the_fence_is_a_fault_that_says_so(told: Story) -> None:
    seen = told["reloads"]
    assert seen["outside"]["status"].startswith("the new configuration has faults")
    assert "link far: 10.20.0.99 is outside the fence of citygate.service" in seen["journal"]
    assert seen["applied"]["status"] == 0
    assert "wrote /etc/systemd/system/citygate.service.d/50-site.conf" in seen["applied"]["out"]


def test_apply_without_a_change_starts_nothing_again(told: Story) -> None:
    assert "No unit would change" in told["reloads"]["dry"]["out"]
    assert "read its files anew" in told["reloads"]["again"]["out"]
    assert "wrote" not in told["reloads"]["again"]["out"]


def test_a_gateway_that_hangs_is_started_again_and_its_ledger_is_whole(told: Story) -> None:
    seen = told["watchdog"]
    assert seen["active"] == "active"
    assert seen["before"] != seen["after"]
    assert seen["verify"]["status"] == 0, seen["verify"]


def test_the_process_that_sees_pictures_has_proved_its_cage_and_counts(told: Story) -> None:
    seen = told["cameras"]
    assert seen["installed"]["status"] == 0, seen["installed"]
    assert seen["status"].startswith("sandbox "), seen["status"]
    refused, _, tried = seen["status"].split()[1].rstrip(";,").partition("/")
    assert refused == tried
    assert What(seen["heard"][0]) is What.READY
    assert What.NUMBER in {What(one) for one in seen["heard"]}
    assert (seen["enabled"], seen["user"]) == ("enabled", "citygate 600")


def test_the_gateway_cannot_import_what_could_hold_a_picture(told: Story) -> None:
    assert told["cameras"]["numpy"] != 0


def test_a_plug_in_of_others_is_named_as_outside_the_promises(told: Story) -> None:
    assert "driver lora-wan, of lorawan 1.0" in told["plug_in"]["check"]


def test_an_upgrade_keeps_configuration_state_and_plug_ins(told: Story) -> None:
    seen = told["upgrade"]
    assert seen["done"]["status"] == 0, seen["done"]
    assert seen["version"].startswith("0.2.0")
    assert seen["active"] == "active"
    assert seen["pid"] != seen["pid-after"]
    assert int(seen["rows-after"]) >= int(seen["rows"]) > 0
    assert seen["site"]
    assert seen["plug-in"]
    assert seen["broken"] == ""


def test_an_older_release_is_refused_in_words_and_the_newer_one_runs_on(told: Story) -> None:
    seen = told["downgrade"]
    assert seen["older"]["status"] != 0
    assert "is older than the 0.2.0" in seen["older"]["err"]
    assert seen["version"].startswith("0.2.0")
    assert seen["version"].endswith("install ok installed")
    assert seen["active"] == "active"


def test_removing_keeps_what_is_yours_and_purging_leaves_nothing(told: Story) -> None:
    seen = told["remove"]
    assert seen["removed"]["status"] == seen["purged"]["status"] == 0, seen
    assert all(seen["kept"].values())
    assert (seen["running"], seen["user"], seen["failed"]) == ("", "", "")
    # what this computer has by now was installed here meanwhile, below the overlay
    new = sorted(set(seen["files"]) - set(told["before"]["files"]))
    assert [one for one in new if not (told.root / one.lstrip("/")).exists()] == []
