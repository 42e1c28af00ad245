"""Modbus Security: values come only through TLS, from a device and to a gateway that are known."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import CanPlan, CanRead, Driver
from agent.core.duration import Duration
from agent.core.errors import DriverError
from drivers.modbus_tls import ModbusTls
from tests.drivers.modbus.wire import Wire
from tests.drivers.test_modbus_tcp import device, registers
from tests.peers.mosquitto import Authority


class Certificates:
    """An authority, the device's certificate and ours, and a stranger's."""

    def __init__(self, folder: Path) -> None:
        authority, other = Authority(folder), Authority(folder, "other-ca")
        self.ca, self.other_ca = authority.certificate, other.certificate
        self.device, self.ours = authority.leaf("device"), authority.leaf("ours")
        self.stranger = other.leaf("stranger")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def secured(certificates: Certificates) -> AsyncIterator[Wire]:
    """Serve Modbus inside TLS to who shows a certificate of the authority."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificates.device)
    tls.load_verify_locations(certificates.ca)
    tls.verify_mode = ssl.CERT_REQUIRED
    wire = Wire(None)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for writer in list(wire.writers):
            writer.transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)


def link(port: int, ca: Path, pair: tuple[Path, Path], name: str = "") -> ModbusTls:
    certificate, key = pair
    return ModbusTls(
        host="127.0.0.1",
        port=port,
        ca=str(ca),
        certificate=str(certificate),
        key=str(key),
        timeout=Duration(1),
        devices=(device(registers(7, 8)),),
        server_name=name,
    )


def test_the_driver_offers_all_abilities(certificates: Certificates) -> None:
    driver: Driver = link(802, certificates.ca, certificates.ours)
    assert isinstance(driver, CanRead)
    assert isinstance(driver, CanPlan)


async def test_values_come_through_tls(certificates: Certificates) -> None:
    async with secured(certificates) as wire:
        readings = await link(wire.port, certificates.ca, certificates.ours).read((), SystemClock())
    assert [one.sample.value for one in readings] == [7, 8]


async def test_what_we_show_may_be_credentials(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    wanted = Path("credential:ca"), (Path("credential:certificate"), Path("credential:key"))
    async with secured(certificates) as wire:
        with pytest.raises(DriverError, match=r'credential "ca" is missing: `'):
            await link(wire.port, *wanted).read((), SystemClock())
        for name, file in zip(
            ("ca", "certificate", "key"), (certificates.ca, *certificates.ours), strict=True
        ):
            (tmp_path / name).write_bytes(file.read_bytes())
        readings = await link(wire.port, *wanted).read((), SystemClock())
    assert [one.sample.value for one in readings] == [7, 8]


async def test_a_device_of_another_authority_is_refused(certificates: Certificates) -> None:
    async with secured(certificates) as wire:
        with pytest.raises(
            DriverError,
            match=r"no connection to .*: (self-signed|unable to get)",
        ):
            await link(wire.port, certificates.other_ca, certificates.ours).read((), SystemClock())
        assert not wire.asked


async def test_a_device_of_another_name_is_refused(certificates: Certificates) -> None:
    async with secured(certificates) as wire:
        driver = link(wire.port, certificates.ca, certificates.ours, "elsewhere")
        with pytest.raises(DriverError, match=r"[Hh]ostname mismatch"):
            await driver.read((), SystemClock())


async def test_a_gateway_that_the_device_does_not_know_gets_nothing(certificates: Certificates) -> None:
    async with secured(certificates) as wire:
        with pytest.raises(DriverError):
            await link(wire.port, certificates.ca, certificates.stranger).read((), SystemClock())
        assert not wire.asked


async def test_a_device_without_tls_is_never_asked_in_plain(certificates: Certificates) -> None:
    received = b""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received += await reader.read(1000)
        writer.write(b"\0\1\0\0\0\3\1\x83\2")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(DriverError, match="no connection to"):
        await link(port, certificates.ca, certificates.ours).read((), SystemClock())
    server.close()
    await server.wait_closed()
    assert received[:1] == b"\x16", "a ClientHello and nothing else"


async def test_a_missing_certificate_is_named(certificates: Certificates, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    with pytest.raises(DriverError, match=r"gone\.pem: No such file"):
        await link(802, gone, certificates.ours).read((), SystemClock())
    with pytest.raises(DriverError, match="no certificate that can be used"):
        await link(802, certificates.ca, (certificates.ours[0], certificates.stranger[1])).read(
            (), SystemClock()
        )
