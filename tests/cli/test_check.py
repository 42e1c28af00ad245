"""`citygate check` tells every fault, or what will be polled and what will leave."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.cli.main import main
from agent.cli.volume import DAY, MONTH, sample_messages, volumes, wire_size
from agent.config.load import load
from agent.core.secrets import secret
from agent.registry import plugin

Screen = pytest.CaptureFixture[str]


def test_it_tells_what_will_be_polled_and_what_will_leave(site: Path, capsys: Screen) -> None:
    assert main(["check", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "main-meter plant-room modbus-tcp 2 1 s 1" in said
    assert "city energy 2 15m mean max delta none operations public-task 400 d 2030-12-31" in said
    assert "energy main-meter.import_energy kW.h counter building" in said
    assert "broker.vaasa.example:8883 TLS 96 " in said


def test_a_product_without_a_grant_is_said_to_stay(site: Path, capsys: Screen) -> None:
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text[: text.index("[grant")])
    assert main(["check", str(site)]) == 0
    said = capsys.readouterr().out
    assert "Nothing: no grant shares a product" in said
    assert "no grant: stays here" in said


def test_all_faults_come_at_once_and_the_status_is_2(site: Path, capsys: Screen) -> None:
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('"15m"', '"15"').replace('["energy"]', '["enery"]'))
    assert main(["check", str(site)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "sharing.toml:7:10" in said.err
    assert 'no product is called "enery"' in said.err


def test_a_script_gets_numbers(site: Path, capsys: Screen) -> None:
    assert main(["check", "--json", str(site)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["polled"][0] == {
        "device": "main-meter", "link": "plant-room", "driver": "modbus-tcp",
        "points": 2, "every": 1.0, "requests": 1,
    }  # fmt: skip
    assert found["leaves"][0]["points"] == ["main-meter.active_power", "main-meter.import_energy"]
    assert found["recipients"][0]["messages"] == 96


def test_the_forecast_is_made_with_the_real_encoding(site: Path) -> None:
    plan = load(site)
    [one] = volumes(plan)
    encoding = plugin("encoding", "native")(plan.place)
    [message] = sample_messages(plan.products[0], encoding, plan.policy)
    rows = json.loads(message.body)["r"]
    assert [row[0] for row in rows] == [point.name for point in plan.products[0].published]
    assert rows[0][2:] == [1234.56, 1234.56, None]  # a gauge has no delta
    assert rows[1][2:] == [None, None, 1234.56]
    assert one.wire == pytest.approx(96 * wire_size(message))
    assert one.wire * MONTH / DAY == pytest.approx(30 * 96 * wire_size(message))


def test_what_is_held_is_drained_at_four_fifths_of_the_rate(site: Path) -> None:
    plan = load(site)
    [one] = volumes(plan)
    assert one.held is not None
    assert one.drain == pytest.approx(96 * one.held / DAY / (0.8 * plan.recipients[0].rate - 96 / DAY))


def test_no_longer_is_held_than_the_grant_lets_a_message_wait(site: Path) -> None:
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('"400d"', '"2d"'))
    [one] = volumes(load(site))
    assert one.held == 2 * DAY


def test_it_says_who_decides_or_that_nobody_does(site: Path, capsys: Screen) -> None:
    assert main(["check", str(site)]) == 0
    assert "Decided by City of Vaasa, data@vaasa.example." in capsys.readouterr().out
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text[text.index("[product") :])
    assert main(["check", str(site)]) == 0
    assert "Nobody is named who decides this" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("check", "{site}"), ("read", "--config", "{site}")])
def test_a_credential_is_looked_for_beside_the_files_that_were_named(
    words: tuple[str, ...], site: Path, capsys: Screen
) -> None:
    text = (site / "sharing.toml").read_text()
    login = 'username = "gw1"\npassword = "credential:broker"\n'
    (site / "sharing.toml").write_text(text.replace("\n[grant", f"{login}\n[grant"))
    said = f'credential "broker" is missing: `citygate secret set broker --plain --config {site}` asks for it'
    main([one.format(site=site) for one in words])
    assert os.environ["CONFIGURATION_DIRECTORY"] == str(site)
    assert (said in capsys.readouterr().out) == (words[0] == "check")
    (site / "credentials").mkdir()
    (site / "credentials" / "broker").write_text("secret")
    (site / "credentials" / "broker").chmod(0o600)
    assert main(["check", str(site / "sharing.toml"), "--json"]) == 2  # one file alone has no [site]
    assert secret("credential:broker") == "secret"
    assert main(["check", str(site)]) == 0
    assert "Warnings" not in capsys.readouterr().out


def test_a_credential_of_a_link_that_is_missing_is_told_too(site: Path, capsys: Screen) -> None:
    with (site / "site.toml").open("a") as file:
        file.write(
            '[link.substation]\ndriver = "modbus-tls"\nhost = "10.20.0.40"\nca = "/etc/citygate/ca.pem"\n'
            'certificate = "/etc/citygate/gateway.pem"\nkey = "credential:substation-key"\n'
        )
    assert main(["check", str(site)]) == 0
    said = 'credential "substation-key" is missing: `citygate secret set substation-key --plain --config '
    assert f"{said}{site}` asks for it" in capsys.readouterr().out


COUNTS = """
[device.door]
link = "plant-room"
unit = 2
every = "1m"
[device.door.points]
in = { addr = 0, kind = "count", scope = "public" }
out = { addr = 1, kind = "count", scope = "public" }
"""


def test_it_says_what_noise_promises_and_what_its_products_cost_together(site: Path, capsys: Screen) -> None:
    (site / "door.toml").write_text(
        COUNTS
        + "".join(
            f"""
[product.{name}]
from = [{points}]
window = "15m"
statistics = ["sum"]
privacy = {{ mode = "dp", epsilon = {epsilon} }}
"""
            for name, points, epsilon in (("in", '"door.in"', '"1/3"'), ("out", '"door.out"', "0.5"))
        )
    )
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('["energy"]', '["energy", "in", "out"]'))
    assert main(["check", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "city in 1 15m sum dp epsilon=1/3 S=1" in said
    assert "in: epsilon 1/3 for one passage, m times that for somebody who passes m times" in said
    assert "noise of scale 3: standard deviation 4.22, 95 of 100 within 9 either way" in said
    assert "city: one passage that in, out all count loses at most epsilon 5/6 together" in said


@pytest.mark.parametrize(
    ("points", "more", "sensitivity"),
    [
        ('"door.in"', "", 1),
        ('"door.*"', "", 2),
        ('"door.*"', 'combine = { name = "doors.all" }', 2),
    ],
)
def test_the_sensitivity_is_derived_from_the_points(
    points: str, more: str, sensitivity: int, site: Path
) -> None:
    noisy = 'window = "15m"\nstatistics = ["sum"]\nprivacy = { mode = "dp", epsilon = "1/3" }\n'
    (site / "door.toml").write_text(f"{COUNTS}[product.doors]\nfrom = [{points}]\n{noisy}{more}\n")
    [privacy] = [one.privacy for one in load(site).products if one.id == "doors"]
    assert (privacy.sensitivity, privacy.epsilon) == (sensitivity, "1/3")
    assert float(privacy.scale) == 3 * sensitivity


@pytest.mark.parametrize(
    ("privacy", "told"),
    [
        ('{ preset = "ons" }', "suppress k=10 round 5"),
        ('{ mode = "hold", longest = "week" }', "hold k=5 to the week's end"),
    ],
)
def test_every_mode_says_what_it_promises(privacy: str, told: str, site: Path, capsys: Screen) -> None:
    (site / "door.toml").write_text(
        COUNTS
        + f'[product.in]\nfrom = ["door.*"]\nwindow = "15m"\nstatistics = ["sum"]\nprivacy = {privacy}\n'
    )
    text = (site / "sharing.toml").read_text()
    (site / "sharing.toml").write_text(text.replace('["energy"]', '["energy", "in"]'))
    assert main(["check", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert told in said
    assert "in: every published count covers at least" in said
    assert main(["check", "--json", str(site)]) == 0
    [leaves] = [one for one in json.loads(capsys.readouterr().out)["leaves"] if one["product"] == "in"]
    assert "(not persons)" in leaves["claim"]


def test_the_plan_names_requests_and_their_points(site: Path, capsys: Screen) -> None:
    assert main(["plan", str(site), "--points"]) == 0
    said = capsys.readouterr().out
    assert "1 request serves 2 points" in said
    assert "main-meter.active_power, main-meter.import_energy" in said


def test_a_site_without_devices_is_said_to_poll_nothing(site: Path, capsys: Screen) -> None:
    text = (site / "site.toml").read_text()
    (site / "site.toml").write_text(text[: text.index("[link")])
    (site / "sharing.toml").unlink()
    assert main(["check", str(site)]) == 0
    assert "What will be polled\n  Nothing: no [device.NAME] names a link." in capsys.readouterr().out


def test_who_reads_at_anothers_broker_is_told_apart(site: Path, capsys: Screen) -> None:
    more = '[recipient.uni]\nvia = "city"\nusername = "uni"\n'
    grant = '[grant.study]\nrecipient = "uni"\nproducts = ["energy"]\npurpose = "research"\nkeep = "30d"\n'
    with (site / "sharing.toml").open("a", encoding="utf-8") as file:
        file.write(more + grant)
    assert main(["check", str(site)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "What is read at another's broker reader product at the broker of" in said
    assert "uni energy city research open broker" in said
    assert "Nothing is sent to them" in said
    assert main(["policy", "show", str(site)]) == 0
    assert "only that broker's access list can end it" in " ".join(capsys.readouterr().out.split())


def test_a_plan_is_told_to_people_and_to_scripts(site: Path, capsys: Screen) -> None:
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        file.write('\n[link.square]\ndriver = "camera"\nsource = "/dev/video0"\nmodel = "nanodet-g"\n')
        file.write("[link.square.lines.gate]\nfrom = [0.5, 0.9]\nto = [0.5, 0.1]\n")
    assert main(["plan", str(site), "--points"]) == 0
    said = capsys.readouterr().out
    assert "plant-room (modbus-tcp): 1 request serves 2 points" in said
    assert "main-meter.active_power, main-meter.import_energy" in said
    assert "square (camera): its driver does not poll" in said
    assert main(["plan", str(site), "--json"]) == 0
    [poll] = json.loads(capsys.readouterr().out)
    assert (poll["link"], poll["device"], len(poll["points"])) == ("plant-room", "main-meter", 2)


def test_the_cage_is_opened_to_the_cameras_that_are_configured_and_to_no_other(
    site: Path, capsys: Screen
) -> None:
    line = ".lines.gate]\nfrom = [0.5, 0.9]\nto = [0.5, 0.1]\n"
    with (site / "site.toml").open("a", encoding="utf-8") as file:
        for name, source in (("door", "/dev/video0"), ("square", "rtsp://10.30.0.7/stream2")):
            file.write(f'\n[link.{name}]\ndriver = "camera"\nsource = "{source}"\nmodel = "nanodet-g"\n')
            file.write(f"[link.{name}{line}")
    assert main(["cage", str(site)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "IPAddressAllow=10.30.0.7" in lines
    assert "DeviceAllow=char-video4linux rw" in lines
    assert [one for one in lines if one.startswith("IPAddressAllow=")] == ["IPAddressAllow=10.30.0.7"]


def test_events_cost_nothing_that_could_be_foreseen_and_no_cap_drains_at_once(
    site: Path, capsys: Screen
) -> None:
    text = (site / "sharing.toml").read_text("utf-8")
    fan = 'steps = [{ use = "threshold", above = 5 }]\n'
    events = text.replace('window = "15m"\nstatistics = ["mean", "max", "delta"]\n', fan)
    events = events.replace("main-meter.*", "main-meter.active_power")
    assert events != text
    (site / "sharing.toml").write_text(events, "utf-8")
    assert [(one.messages, one.wire) for one in volumes(load(site))] == [(0.0, 0.0)]
    (site / "sharing.toml").write_text(text.replace(':8883"', ':8883"\nrate = 0'), "utf-8")
    assert [one.drain for one in volumes(load(site))] == [0.0]


def test_figures_of_a_coarse_meter_are_as_coarse_as_it_makes_them(site: Path) -> None:
    plan = load(site)
    [product] = plan.products
    coarse = replace(product, published=tuple(replace(one, resolution=0.5) for one in product.published))
    [message] = sample_messages(coarse, plugin("encoding", "native")(plan.place), plan.policy)
    assert json.loads(message.body)["r"][0][2:4] == [1234.5, 1234.5]
