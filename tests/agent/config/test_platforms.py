"""A platform's terms: what follows from them is set, and what it would refuse is refused first."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.core.plan import Recipient
from agent.registry import kinds

SITE = """\
[site]
city = "vaasa"
id = "library"
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
[grant.ops]
recipient = "city"
products = ["energy"]
purpose = "operations"
keep = "400d"
[recipient.city]
"""
AZURE = """\
broker = "mqtts://vaasa.azure-devices.net"
password = "credential:hub-key"
encoding = { use = "azure-iot-hub", device = "library-gw1" }
"""
AWS = """\
broker = "mqtts://x-ats.iot.eu-north-1.amazonaws.com:443"
certificate = "/etc/citygate/aws.pem"
key = "credential:aws-key"
encoding = { use = "aws-iot-core", thing = "library-gw1" }
"""
BOARD = """\
broker = "mqtts://board.vaasa.example"
username = "credential:board-token"
encoding = "thingsboard"
"""


def recipient(folder: Path, lines: str) -> Recipient:
    (folder / "site.toml").write_text(SITE + lines, "utf-8")
    (found,) = load(folder).recipients
    return found


def refused(folder: Path, lines: str) -> str:
    with pytest.raises(ConfigError) as caught:
        recipient(folder, lines)
    return str(caught.value)


def test_azure_sets_version_client_id_and_user_name(tmp_path: Path) -> None:
    found = recipient(tmp_path, AZURE)
    assert (found.mqtt, found.client_id) == ("3.1.1", "library-gw1")
    assert found.username == "vaasa.azure-devices.net/library-gw1/?api-version=2021-04-12"
    assert found.tls is not None


def test_with_a_scope_the_broker_is_a_provisioning_service(tmp_path: Path) -> None:
    lines = AZURE.replace("vaasa.azure", "global.azure").replace("-gw1", '-gw1", scope = "0ne0001')
    assert recipient(tmp_path, lines).username == "0ne0001/registrations/library-gw1/api-version=2019-03-31"


def test_aws_sets_client_id_keep_alive_and_what_port_443_wants_to_hear(tmp_path: Path) -> None:
    found = recipient(tmp_path, AWS)
    assert (found.mqtt, found.client_id, found.keepalive) == ("5", "library-gw1", 30.0)
    assert found.alpn == "x-amzn-mqtt-ca"
    plain = recipient(tmp_path, AWS.replace(":443", ""))
    assert (plain.port, plain.alpn) == (8883, "")


@pytest.mark.parametrize("written", ["", "/", "/$iothub/websocket?"])
def test_azure_within_websocket_knows_one_path_for_keys_and_one_for_certificates(
    tmp_path: Path, written: str
) -> None:
    key = AZURE.replace(
        "mqtts://vaasa.azure-devices.net", f"wss://vaasa.azure-devices.net{written.strip('?')}"
    )
    certificate = key.replace('password = "credential:hub-key"', 'certificate = "/c.pem"\nkey = "/k.pem"')
    if not written.endswith("?"):
        found = recipient(tmp_path, key)
        assert (found.port, found.websocket) == (443, "/$iothub/websocket?iothub-no-client-cert=true")
    found = recipient(tmp_path, certificate)
    assert (found.port, found.websocket, found.tls is not None) == (443, "/$iothub/websocket", True)


@pytest.mark.parametrize(
    ("broker", "port", "path"),
    [("wss://b.example", 443, "/mqtt"), ("wss://b.example:8084/ws", 8084, "/ws"), ("mqtts://b", 8883, "")],
)
def test_within_websocket_the_path_is_the_usual_one_or_as_written(
    tmp_path: Path, broker: str, port: int, path: str
) -> None:
    found = recipient(tmp_path, f'broker = "{broker}"\n')
    assert (found.port, found.websocket, found.alpn) == (port, path, "")
    assert found.tls is not None


def test_thingsboard_takes_a_token_as_the_user_name(tmp_path: Path) -> None:
    assert recipient(tmp_path, BOARD).username == "credential:board-token"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (AZURE + 'mqtt = "5"\n', "Azure IoT Hub speaks MQTT 3.1.1, not 5"),
        (AZURE.replace("mqtts", "mqtt"), "Azure IoT Hub takes encrypted connections only"),
        (AZURE.replace(".net", ".net:443"), "Azure IoT Hub listens on port 8883, not on 443"),
        (AZURE.replace("mqtts", "ws"), "^^ write wss://"),
        (AZURE.replace("mqtts", "wss").replace(".net", ".net:8883"), "WebSocket on port 443, not on 8883"),
        (AZURE.replace("mqtts", "wss").replace(".net", ".net/mqtt"), 'the path "/$iothub/websocket'),
        (AWS.replace("mqtts", "wss"), "takes a client certificate over plain MQTT alone"),
        (BOARD.replace("mqtts", "wss") + 'client = "aiomqtt"\n', "aiomqtt knows no WebSocket here"),
        (BOARD.replace("mqtts", "ws") + 'ca = "/ca.pem"\n', "write wss:// as the broker"),
        (AZURE + 'client_id = "gw1"\n', 'Azure IoT Hub takes nothing but "library-gw1" here'),
        (AZURE + 'username = "gw1"\n', "Azure IoT Hub takes nothing but"),
        (AZURE + 'keepalive = "30m"\n', "Azure IoT Hub takes 1 to 1177 s"),
        (
            AZURE.replace('password = "credential:hub-key"\n', ""),
            "either a device key or a client certificate",
        ),
        (AZURE.replace(', device = "library-gw1"', ""), 'missing key "device"'),
        (AZURE + "rate = 0\n", "more than 100 messages a second"),
        (
            AWS.replace("certificate = ", "ca = ").replace('key = "credential:aws-key"\n', ""),
            "a client certificate",
        ),
        (AWS + 'keepalive = "10s"\n', "AWS IoT Core takes 30 to 1200 s"),
        (AWS.replace(":443", ":1883"), "AWS IoT Core listens on port 8883 or 443, not on 1883"),
        (BOARD.replace('username = "credential:board-token"\n', ""), "ThingsBoard wants a user name"),
    ],
)
def test_what_a_platform_would_refuse_is_refused_first(tmp_path: Path, lines: str, said: str) -> None:
    assert said in refused(tmp_path, lines)


@pytest.mark.parametrize("encoding", [one for one in kinds("encoding") if one != "native"])
def test_only_what_can_be_asked_may_be_asked(tmp_path: Path, encoding: str) -> None:
    lines = {"azure-iot-hub": AZURE, "aws-iot-core": AWS, "thingsboard": BOARD}.get(
        encoding, f'broker = "mqtts://broker.vaasa.example"\nencoding = "{encoding}"\n'
    )
    said = refused(tmp_path, lines + 'commands = ["rebirth"]\n')
    assert f'encoding "{encoding}" has no commands' in said


def test_commands_are_part_of_the_policy(tmp_path: Path) -> None:
    way = 'broker = "mqtts://broker.vaasa.example"\n'
    policies = []
    for commands in ("", 'commands = ["replay"]\n', 'commands = ["rebirth", "replay"]\n'):
        (tmp_path / "site.toml").write_text(SITE + way + commands, "utf-8")
        policies.append(load(tmp_path).policy)
    assert len(set(policies)) == 3
