"""On a computer with a real systemd the packages install, run in their fence, recover, go forward, and leave.

One computer is booted for all of these tests; `story.py` is what happens on it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import json as bytes_of

from agent.core.sight import Watch, What
from release import deb
from tests.peers import missing, need
from tests.peers.mosquitto import Authority
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import bundle, camera
from tests.release.test_deb import host
from tests.systemd.container import boot

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/technician/from-box-to-values.md"


class Story(dict[str, Any]):
    """What each step saw; a step that crashed fails the tests that ask for it."""

    def __getitem__(self, step: str) -> Any:  # noqa: ANN401 - each step tells in its own form
        seen = super().__getitem__(step)
        assert not (isinstance(seen, dict) and "crashed" in seen), seen["crashed"]
        return seen


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Build two releases, boot, and give what each step saw."""
    for program in ("systemd-nspawn", "dpkg-deb", "mosquitto", "mosquitto_sub", "openssl", "ss"):
        need(program)
    if os.geteuid() != 0:
        missing("root, to boot a container")
    room = tmp_path_factory.mktemp("story")
    debs, files = room / "debs", room / "files"
    files.mkdir()
    for version in ("0.1.0", "0.2.0"):
        deb.build(host(), debs, version=version, level=1)
    authority = Authority(files, "city-ca")
    certificate, key = authority.leaf("broker", host="broker.vaasa.example")
    clip(files / "across.mp4", 75, across)
    bundle(files)
    at = Path("/story/files")
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    watch = Watch(
        cameras=(camera("file:/story/files/across.mp4", at / "toy.citymodel"),), width=2, offset=offset
    )
    (room / "plan.json").write_bytes(bytes_of.encode(watch))
    things = {
        "debs": debs, "files": files, "plan.json": room / "plan.json", "page.md": PAGE,
        "meter.py": HERE / "meter.py", "city-ca.pem": authority.certificate,
        "broker.pem": certificate, "broker.key": key,
    }  # fmt: skip
    out, err = boot(HERE / "story.py", things)
    lines = out.splitlines()
    assert lines[-1:] == ["DONE"], out + err
    steps = [json.loads(line) for line in lines[:-1]]
    (room / "told.json").write_text(json.dumps(steps, indent=1), "utf-8")
    return Story({one["step"]: one["seen"] for one in steps})


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


def test_the_first_start_is_ready_and_says_so_in_a_sentence(told: Story) -> None:
    seen = told["first_start"]
    assert (seen["active"], seen["enabled"], seen["man"]) == ("active", "enabled", 0)
    assert seen["status"].startswith("polling 1/1 devices; uplink city ok"), seen["status"]


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


def test_a_newer_outbox_is_refused_by_package_and_gateway_and_not_touched(told: Story) -> None:
    seen = told["downgrade"]
    assert "has form 9, this release knows up to 1" in seen["form"]["err"]
    assert "was written by a newer citygate (form 9, this one knows 1)" in seen["journal"]
    assert seen["again"] == "active"


def test_removing_keeps_what_is_yours_and_purging_leaves_nothing(told: Story) -> None:
    seen = told["remove"]
    assert seen["removed"]["status"] == seen["purged"]["status"] == 0, seen
    assert all(seen["kept"].values())
    assert (seen["running"], seen["user"], seen["failed"]) == ("", "", "")
    # what this computer has by now was installed here meanwhile, below the overlay
    new = sorted(set(seen["files"]) - set(told["before"]["files"]))
    assert [one for one in new if not Path(one).exists()] == []


def test_a_wiped_gateway_leaves_its_ledger_elsewhere_and_nothing_here(told: Story) -> None:
    seen = told["remove"]
    assert seen["wiped"]["status"] == 0, seen["wiped"]
    assert seen["left"] == ""
    assert seen["enabled"] == ["disabled", "inactive"]
    assert "The chain holds" in seen["verified"]["out"]


def test_a_key_that_never_left_the_gateway_opens_a_broker_that_asks_for_a_certificate(told: Story) -> None:
    seen = told["identity"]
    assert [one["status"] for one in seen["accepted"]] == [0, 0], seen["accepted"]
    assert seen["applied"]["status"] == 0, seen["applied"]
    assert "uplink city" in seen["status"]
    assert "away" not in seen["status"]
    assert seen["sealed"] == ["city-password", "gateway-key"]
    assert seen["clear"] == ""
