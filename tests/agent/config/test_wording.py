"""What a recipient says of its encoding: a name, or a table with settings, checked against what it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.plan import Plan
from agent.encodings.fiware import FiwareSettings
from agent.encodings.native import NativeSettings

SITE = """\
[site]
city = "vaasa"
id = "library"
location = [21.6, 63.1]
[link.bus]
driver = "modbus-tcp"
host = "10.20.0.15"
[device.meter]
link = "bus"
every = "10s"
[device.meter.points]
power = { addr = 52, type = "f32", table = "input", unit = "kW" }
[product.energy]
from = ["meter.power"]
window = "15m"
statistics = ["mean"]
[recipient.city]
broker = "mqtts://broker.vaasa.example"
"""
GRANT = """\
[grant.ops]
recipient = "city"
products = ["energy"]
purpose = "operations"
keep = "400d"
"""
MODEL = """\
[recipient.city.encoding]
use = "fiware"
[recipient.city.encoding.models.energy]
model = "ThreePhaseAcMeasurement"
map = { totalActivePower = "power.mean" }
"""


def loaded(folder: Path, encoding: str) -> Plan:
    (folder / "site.toml").write_text(SITE + encoding + GRANT, "utf-8")
    return load(folder)


def refused(folder: Path, encoding: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, encoding)
    return str(caught.value)


def test_a_name_alone_means_the_defaults(tmp_path: Path) -> None:
    (recipient,) = loaded(tmp_path, 'encoding = "native"\n').recipients
    assert (recipient.encoding, recipient.style) == ("native", NativeSettings())


def test_a_table_has_the_name_and_its_settings(tmp_path: Path) -> None:
    (recipient,) = loaded(tmp_path, 'encoding = { use = "native", gzip = true }\n').recipients
    assert (recipient.encoding, recipient.style) == ("native", NativeSettings(gzip=True))


def test_settings_that_stand_below_the_recipient_are_read_too(tmp_path: Path) -> None:
    (recipient,) = loaded(tmp_path, MODEL).recipients
    assert isinstance(recipient.style, FiwareSettings)
    assert recipient.style.models["energy"].model == "ThreePhaseAcMeasurement"


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ('encoding = "nativ"\n', 'no encoding is called "nativ"'),
        ('encoding = { use = "nativ" }\n', 'did you mean "native"?'),
        ("encoding = { gzip = true }\n", 'missing key "use"'),
        ('encoding = { use = "native", gzipped = true }\n', 'did you mean "gzip"?'),
        ('encoding = { use = "native", gzip = 1 }\n', "expected true or false"),
        (MODEL.replace("totalActivePower", "totalPower"), 'has no property "totalPower" for figures'),
        (MODEL.replace("ThreePhaseAcMeasurement", "ThreePhase"), 'no model is called "ThreePhase"'),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, encoding: str, said: str) -> None:
    report = refused(tmp_path, encoding)
    assert said in report
    assert "site.toml" in report


def test_the_policy_changes_with_what_an_encoding_tells_and_not_with_how_a_default_is_written(
    tmp_path: Path,
) -> None:
    plain = loaded(tmp_path, "").policy
    assert loaded(tmp_path, 'encoding = { use = "native" }\n').policy == plain
    assert loaded(tmp_path, 'encoding = { use = "native", gzip = true }\n').policy != plain


def test_two_that_the_broker_can_tell_apart_may_share_it_where_they_write_differently(tmp_path: Path) -> None:
    both = 'username = "city"\n[recipient.lab]\nbroker = "mqtts://broker.vaasa.example"\nusername = "lab"\n'
    assert "both would write the same topics" in refused(tmp_path, both)
    plan = loaded(tmp_path, both + 'encoding = "senml"\n')
    assert {one.name: one.encoding for one in plan.recipients} == {"city": "native", "lab": "senml"}


def test_a_rule_between_points_is_told_at_their_device(tmp_path: Path) -> None:
    far = 'power = { addr = 52, type = "f32", table = "input", unit = "kW", group = "now" }\n'
    far += 'current = { addr = 300, type = "f32", table = "input", unit = "A", group = "now" }\n'
    text = SITE.replace('power = { addr = 52, type = "f32", table = "input", unit = "kW" }\n', far)
    (tmp_path / "site.toml").write_text(text + GRANT, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert 'site.toml:8:9: group "now" takes 250 registers, but max_block is 125' in str(caught.value)


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ('from = ["square.gate.*"]\n', '"square.gate.person_to_left" is a sum over time: the product needs'),
        (
            'from = ["square.gate.*"]\nwindow = "1m"\nstatistics = ["sum"]\n',
            '"square.gate.person_to_left" comes by 300 s: a window must be a whole number of that',
        ),
    ],
)
def test_what_comes_summed_up_is_never_told_in_shorter_stretches(
    tmp_path: Path, product: str, said: str
) -> None:
    camera = '[link.square]\ndriver = "camera"\nsource = "rtsp://10.30.0.7/2"\nmodel = "toy"\n'
    camera += "lines.gate = { from = [0.1, 0.1], to = [0.9, 0.9] }\n"
    (tmp_path / "site.toml").write_text(SITE + camera + f"[product.people]\n{product}" + GRANT, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert said in str(caught.value)
