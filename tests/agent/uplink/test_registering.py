"""A provisioning service that says which hub is ours: played by a foreign client at a real broker."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import aiomqtt
import pytest

from agent.encodings._azure_provisioning import Registration
from agent.encodings.azure_iot_hub import AzureIotHub, AzureIotHubSettings
from agent.uplink import registering
from tests.agent.uplink.kit import PLACE, Rig, subscribed
from tests.peers import mosquitto as peer
from tests.peers.mosquitto import Mosquitto

KEY = b64encode(b"a device key").decode()
Answer = Callable[[str, str], tuple[str, object]]
ASSIGNED = {
    "operationId": "5.op",
    "status": "assigned",
    "registrationState": {"assignedHub": "127.0.0.1", "deviceId": "library-gw1", "status": "assigned"},
}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with peer.mosquitto(tmp_path) as running:
        yield running


@asynccontextmanager
async def service(port: int, answer: Answer, *, between: str = "") -> AsyncIterator[list[str]]:
    """Answer registrations as *answer* says: of verb and operation, the topic's middle and a body.

    *between* is the middle of what comes before each answer.
    """
    asked: list[str] = []
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("$dps/registrations/#", qos=1)

        async def serve() -> None:
            async for message in client.messages:
                _, _, verb, *_ = str(message.topic).split("/")
                if verb in ("PUT", "GET"):
                    query = parse_qs(str(message.topic).partition("?")[2])
                    asked.append(verb)
                    middle, body = answer(verb, query.get("operationId", [""])[0])
                    if between:
                        await client.publish(f"$dps/registrations/res/{between}", "{}", qos=1)
                    topic = f"$dps/registrations/res/{middle}".replace("RID", query["$rid"][0])
                    await client.publish(topic, json.dumps(body), qos=1)

        task = asyncio.ensure_future(serve())
        try:
            yield asked
        finally:
            while not task.done():  # aiomqtt now and then swallows the word
                task.cancel()
                await asyncio.wait([task], timeout=0.2)


def rig_of(broker: Mosquitto) -> Rig:
    encoding = AzureIotHub(PLACE, AzureIotHubSettings(device="library-gw1", scope="0ne0001"))
    but = {"client_id": "library-gw1", "username": "service", "password": KEY}
    return Rig(broker.port, encoding=encoding, but=but)


def slowly(verb: str, operation: str) -> tuple[str, object]:
    if verb == "PUT":
        return "202/?$rid=RID&retry-after=0", {"operationId": "5.op", "status": "assigning"}
    assert operation == "5.op"
    return "200/?$rid=RID", ASSIGNED


def refusing(verb: str, operation: str) -> tuple[str, object]:
    del verb, operation
    return "401/?$rid=RID", {"errorCode": 401002, "message": "Unauthorized"}


async def test_a_device_is_registered_and_its_data_go_to_the_hub_that_it_got(broker: Mosquitto) -> None:
    rig = rig_of(broker)
    async with (
        service(broker.port, slowly) as asked,
        subscribed(broker.port, topic="devices/#") as hub,
        rig.running(),
    ):
        rig.put(3)
        await rig.until(lambda: len(rig.feed.done) == 3)
        await rig.until(lambda: sum("kind=batch" in str(one.topic) for one in hub.messages) == 3)
    assert asked == ["PUT", "GET"]
    assert rig.errors == []


async def test_a_service_that_refuses_is_said_in_words(broker: Mosquitto) -> None:
    rig = rig_of(broker)
    async with service(broker.port, refusing), rig.running():
        await rig.until(lambda: len(rig.errors) > 0)
    assert "the provisioning service does not take this device: Unauthorized" in rig.errors[0]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"status": "failed", "registrationState": {"errorMessage": "no hub left"}}, "no hub left"),
        (200, {"status": "disabled"}, "disabled"),
        (429, {"message": "too many"}, "too many"),
        (200, None, "no hub"),
    ],
)
def test_an_end_without_a_hub_is_an_error(status: int, body: object, said: str) -> None:
    registration = Registration("library-gw1")
    registration.next()
    with pytest.raises(ValueError, match=said):
        registration.hear(f"$dps/registrations/res/{status}/?$rid=1", json.dumps(body).encode())


def test_answers_to_other_questions_are_not_ours() -> None:
    registration = Registration("library-gw1")
    registration.next()
    assert registration.hear("$dps/registrations/res/200/?$rid=7", b"{}") is None
    assert registration.hear("elsewhere", b"{}") is None


def test_a_token_for_the_service_names_its_scope() -> None:
    made = AzureIotHub(PLACE, AzureIotHubSettings(device="library-gw1", scope="0ne0001"))
    token = made.registration_token(KEY, 1795262400.0).password
    assert token.startswith("SharedAccessSignature sr=0ne0001%2Fregistrations%2Flibrary-gw1&sig=")
    assert token.endswith("&se=1795266000&skn=registration")


async def test_a_service_that_knows_the_device_by_another_name_is_said(broker: Mosquitto) -> None:
    other = {**ASSIGNED, "registrationState": {"assignedHub": "127.0.0.1", "deviceId": "annexe-gw1"}}
    rig = rig_of(broker)
    async with service(broker.port, lambda *_: ("200/?$rid=RID", other)), rig.running():
        await rig.until(lambda: len(rig.errors) > 0)
    said = 'the service calls this device "annexe-gw1", not "library-gw1"; write that name in the encoding'
    assert said in rig.errors[0]


async def test_a_hub_that_was_assigned_is_not_asked_for_again_until_it_fails(broker: Mosquitto) -> None:
    rig = rig_of(broker)
    async with (
        service(broker.port, slowly) as asked,
        subscribed(broker.port, topic="devices/#"),
        rig.running(),
    ):
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
        session = rig.uplink._session
        assert session is not None
        session._link.abort()
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 2)
    assert asked == ["PUT", "GET"]


async def test_a_device_with_a_certificate_registers_without_a_token(broker: Mosquitto) -> None:
    encoding = AzureIotHub(PLACE, AzureIotHubSettings(device="library-gw1", scope="0ne0001"))
    rig = Rig(broker.port, encoding=encoding, but={"client_id": "library-gw1", "username": "service"})
    async with (
        service(broker.port, slowly) as asked,
        subscribed(broker.port, topic="devices/#"),
        rig.running(),
    ):
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
    assert asked == ["PUT", "GET"]


async def test_a_service_that_never_decides_is_left_and_asked_later(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registering, "_MOST", 3)
    rig = rig_of(broker)
    waiting = ("202/?$rid=RID&retry-after=0", {"operationId": "5.op", "status": "assigning"})
    async with service(broker.port, lambda *_: waiting) as asked, rig.running():
        await rig.until(lambda: len(rig.errors) > 0)
        assert asked[:3] == ["PUT", "GET", "GET"]
    assert "the provisioning service does not come to an end; it is asked again later" in rig.errors[0]


async def test_a_service_that_says_nothing_is_given_up(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registering, "_PATIENCE", 0.1)
    rig = rig_of(broker)
    async with rig.running():
        await rig.until(lambda: len(rig.errors) > 0)
    assert "the provisioning service did not answer within 0.1 s" in rig.errors[0]


async def test_an_answer_to_another_question_in_between_is_passed_over(broker: Mosquitto) -> None:
    rig = rig_of(broker)
    async with (
        service(broker.port, slowly, between="401/?$rid=another"),
        subscribed(broker.port, topic="devices/#"),
        rig.running(),
    ):
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
    assert rig.errors == []
