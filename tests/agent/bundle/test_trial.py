"""A configuration from a distance is verified, tried, and kept or taken back, whatever breaks it off."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.bundle import pack
from agent.bundle.pack import Manifest, content, gathered, sealed
from agent.bundle.trial import Keeper, World
from agent.cli.main import main
from agent.config.load import load
from agent.config.seal import sign
from agent.core.errors import ConfigError, GatewayError
from agent.trials import Known, Memory, Trial, Verdict
from tests.agent.config.test_seal import EDITION
from tests.cli.conftest import SHARING, SITE
from tests.cli.test_status import WELL, changed
from tests.peers import need

Screen = pytest.CaptureFixture[str]
START = datetime(2026, 11, 28, tzinfo=UTC).timestamp()
TEN_MINUTES = 600.0


class PowerCutError(Exception):
    """The power failed."""


class City:
    """Keys, a gateway's folders, and a made-up daemon that reads what lies there when it is told to."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self.keys = keys
        self.desk, self.etc, self.state = (folder / name for name in ("desk", "etc", "state"))
        for one in (self.desk, self.etc, self.state, self.state / "models"):
            one.mkdir()
        public = (self.keys / "admin.pub").read_text("ascii")
        (self.etc / "bundle_signers").write_text(f'admin@vaasa.example namespaces="citygate-bundle" {public}')
        for place in (self.desk, self.etc):
            (place / "site.toml").write_text(SITE.format(port=502))
            (place / "sharing.toml").write_text(SHARING)
        self.now = START
        self.reloads = 0
        self.loaded = ""
        self.answer: Callable[[float], Mapping[str, Any] | None] = lambda _: self.report()

    def report(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any part of the report
        return changed(loaded=self.loaded, **changes)

    @property
    def keeper(self) -> Keeper:
        """Give what a process of its own would have."""
        world = World(
            now=lambda: self.now,
            boot=lambda: self.now,
            sleep=self._sleep,
            status=self._status,
            reload=self._reload,
        )
        return Keeper(self.etc, self.state, self.state / "models", world)

    def made(
        self, number: int = 4, *, key: str = "admin", use: str = pack.NAMESPACE, site: str = ""
    ) -> bytes:
        """Pack the desk's folder, with another *site* if one is given."""
        held = gathered(self.desk, [])
        if site:
            held["config/site.toml"] = site.format(port=502).encode()
        raw = content(Manifest(city="vaasa", site="library", gateway="gw1", number=number), held)
        return sealed(raw, sign(raw, self.keys / key, namespace=use))

    def files(self) -> dict[str, bytes]:
        """Give every file of the gateway but the memory of bundles."""
        return {
            str(path.relative_to(place)): path.read_bytes()
            for place in (self.etc, self.state)
            for path in place.rglob("*")
            if path.is_file() and ".bundle" not in path.parts
        }

    def change(self) -> None:
        """Let the desk's configuration differ: a changed file, a new one, one that is gone."""
        (self.desk / "site.toml").write_text(SITE.format(port=503))
        (self.desk / "site.d").mkdir()
        (self.desk / "site.d" / "local.toml").write_text('[site]\nlabel = "Library"\n')
        (self.etc / "old.toml").write_text('[clock]\nwait = "1m"\n')

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def _status(self) -> Mapping[str, Any] | None:
        return self.answer(self.now - START)

    def _reload(self) -> None:
        self.reloads += 1
        load(self.etc)
        self.loaded = f"{datetime.fromtimestamp(self.now, UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the keys of somebody who may, and of somebody who may not."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("admin", "stranger"):
        words = ["-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run([need("ssh-keygen"), *words], check=True)
    return folder


@pytest.fixture
def city(tmp_path: Path, keys: Path) -> City:
    return City(tmp_path, keys)


def test_what_does_well_is_kept_after_a_calm_minute(city: City) -> None:
    city.change()
    verdict = city.keeper.apply(city.made(), TEN_MINUTES)
    assert (verdict.kept, verdict.number, verdict.signer) == (True, 4, "admin@vaasa.example")
    assert 60 <= city.now - START <= 75
    assert (city.etc / "site.toml").read_text() == SITE.format(port=503)
    assert (city.etc / "site.d" / "local.toml").exists()
    assert not (city.etc / "old.toml").exists()
    assert city.reloads == 1


def test_how_long_it_must_be_well_can_be_said(city: City) -> None:
    city.change()
    assert city.keeper.apply(city.made(), 12.0, 3.0).kept
    assert 3 <= city.now - START <= 6


def test_a_calm_that_is_no_shorter_than_the_trial_is_refused(
    city: City, tmp_path: Path, capsys: Screen
) -> None:
    out = tmp_path / "x.bundle"
    out.write_bytes(city.made())
    where = ["--config", str(city.etc), "--state", str(city.state)]
    assert main(["bundle", "apply", str(out), *where, "--wait", "10s", "--calm", "10s"]) == 2
    assert "--calm 10s is no shorter than --wait 10s: nothing could be kept" in capsys.readouterr().err


def test_a_bundle_that_is_not_there_is_refused_and_nothing_is_changed(
    city: City, tmp_path: Path, capsys: Screen
) -> None:
    where = ["--config", str(city.etc), "--state", str(city.state)]
    assert main(["bundle", "apply", str(tmp_path / "gone.bundle"), *where]) == 2
    assert "gone.bundle: No such file or directory; nothing was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (
            lambda city, at: city.report(links__0__devices__0__state="silent" if at else "ok"),
            "main-meter did well",
        ),
        (lambda _city, at: None if at else WELL, "the gateway does not answer"),
        (lambda city, at: city.report(fault="site.toml: no" if at else ""), "the gateway refuses it"),
        (lambda city, at: city.report(hanging=["link x"] if at % 50 > 20 else []), "hangs|for long enough"),
    ],
)
def test_what_does_not_do_well_within_ten_minutes_is_taken_back(
    city: City, answer: Callable[[City, float], Mapping[str, Any] | None], why: str
) -> None:
    city.change()
    before = city.files()
    city.answer = lambda at: answer(city, at)
    verdict = city.keeper.apply(city.made(), TEN_MINUTES)
    assert not verdict.kept
    assert re.search(why, verdict.why)
    assert TEN_MINUTES <= city.now - START <= TEN_MINUTES + 10
    assert city.files() == before
    assert city.reloads == 2


@pytest.mark.parametrize("before", [None, b"an older model"])
def test_models_come_and_go_with_their_bundle(city: City, tmp_path: Path, before: bytes | None) -> None:
    place = city.state / "models" / "nanodet-g.citymodel"
    if before is not None:
        place.write_bytes(before)
    model = tmp_path / place.name
    model.write_bytes(b"a model")
    raw = content(
        Manifest(city="vaasa", site="library", gateway="gw1", number=4), gathered(city.desk, [model])
    )
    data = sealed(raw, sign(raw, city.keys / "admin", namespace=pack.NAMESPACE))
    city.answer = lambda at: None if at else WELL
    assert not city.keeper.apply(data, TEN_MINUTES).kept
    assert (place.read_bytes() if place.exists() else None) == before
    city.answer = lambda _: city.report()
    assert city.keeper.apply(data, TEN_MINUTES).kept
    assert place.read_bytes() == b"a model"


def test_a_trouble_that_passes_is_waited_for(city: City) -> None:
    city.change()
    city.answer = lambda at: city.report(recipients__0__connected=not 0 < at < 200)
    assert city.keeper.apply(city.made(), TEN_MINUTES).kept
    assert 255 <= city.now - START <= 275


def test_a_gateway_that_cannot_be_reloaded_gets_its_files_back(city: City) -> None:
    city.change()
    before = city.files()

    def broken() -> None:
        raise GatewayError("`systemctl reload` failed: no such unit")

    world = World(
        now=lambda: city.now, boot=lambda: city.now, sleep=city._sleep, status=city._status, reload=broken
    )
    with pytest.raises(GatewayError, match="no such unit"):
        Keeper(city.etc, city.state, city.state / "models", world).apply(city.made(), TEN_MINUTES)
    assert city.files() == before
    assert Memory(city.etc).trial() is None


@pytest.mark.parametrize(
    ("number", "sentence"), [(3, "number 3, and number 4 has been in force"), (4, "number 4, and number 4")]
)
def test_an_older_or_another_bundle_of_the_same_number_does_not_come_back(
    city: City, number: int, sentence: str
) -> None:
    city.keeper.apply(city.made(4), TEN_MINUTES)
    city.change()
    with pytest.raises(ConfigError, match=sentence):
        city.keeper.apply(city.made(number), TEN_MINUTES)


def test_the_same_bundle_again_is_no_trial(city: City) -> None:
    data = city.made(4)
    city.keeper.apply(data, TEN_MINUTES)
    assert city.keeper.apply(data, TEN_MINUTES).why == "it is in force"
    assert city.reloads == 1


def test_what_was_taken_back_may_come_again(city: City) -> None:
    data = city.made(4)
    city.answer = lambda at: None if at else WELL
    assert not city.keeper.apply(data, TEN_MINUTES).kept
    city.answer = lambda _: city.report()
    assert city.keeper.apply(data, TEN_MINUTES).kept


REFUSED: list[tuple[str, Callable[[City], bytes]]] = [
    ("signed by nobody of bundle_signers", lambda city: city.made(key="stranger")),
    ("not what admin@vaasa.example signed", lambda city: city.made(use="citygate")),
    ("not what admin@vaasa.example signed", lambda city: city.made().replace(b"plant-room", b"plant-x", 1)),
    ("this is no bundle", lambda _: b"PK\x03\x04"),
    ('did you mean "modbus-tcp"', lambda city: city.made(site=SITE.replace("bus-tcp", "bus-tpc"))),
    ("its own files say vaasa/library/gw2", lambda city: city.made(site=SITE.replace("gw1", "gw2"))),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "data"), REFUSED)
def test_what_is_not_in_order_changes_nothing(
    city: City, sentence: str, data: Callable[[City], bytes]
) -> None:
    before = city.files()
    with pytest.raises(ConfigError, match=sentence):
        city.keeper.apply(data(city), TEN_MINUTES)
    assert city.files() == before
    assert city.reloads == 0
    assert Memory(city.etc).known() is None


def test_a_bundle_of_another_gateway_is_refused(city: City) -> None:
    (city.etc / "site.toml").write_text(SITE.format(port=502).replace("gw1", "gw7"))
    with pytest.raises(ConfigError, match="is for vaasa/library/gw1, and this gateway is vaasa/library/gw7"):
        city.keeper.apply(city.made(), TEN_MINUTES)


def test_without_signers_nobody_changes_a_gateway_from_a_distance(city: City) -> None:
    (city.etc / "bundle_signers").unlink()
    with pytest.raises(ConfigError, match="bundle_signers is missing"):
        city.keeper.apply(city.made(), TEN_MINUTES)


def test_a_policy_must_be_signed_although_the_bundle_is(city: City) -> None:
    public = (city.keys / "stranger.pub").read_text("ascii")
    (city.etc / "allowed_signers").write_text(f'dpo@vaasa.example namespaces="citygate" {public}')
    with pytest.raises(ConfigError, match="not signed"):
        city.keeper.apply(city.made(), TEN_MINUTES)


def policy_after(city: City, number: int) -> Path:
    """Sign number 7 at the desk, where *number* has been in force; give the file that says so."""
    edition = city.state / "policy-edition"
    edition.write_text(f'{{"city":"vaasa","number":{number},"signer":"dpo","digest":"a"}}')
    (city.desk / "sharing.toml").write_text(EDITION + SHARING)
    public = (city.keys / "stranger.pub").read_text("ascii")
    (city.etc / "allowed_signers").write_text(f'dpo@vaasa.example namespaces="citygate" {public}')
    signature = sign((city.desk / "sharing.toml").read_bytes(), city.keys / "stranger")
    (city.desk / "sharing.toml.sig").write_bytes(signature)
    return edition


def test_an_old_policy_does_not_come_back_within_a_new_bundle(city: City) -> None:
    policy_after(city, 8)
    before = city.files()
    with pytest.raises(ConfigError, match="this policy is number 7, and number 8 has been in force here"):
        city.keeper.apply(city.made(), TEN_MINUTES)
    assert (city.files(), city.reloads) == (before, 0)


def test_a_bundle_cures_a_gateway_whose_files_nobody_can_read(city: City) -> None:
    (city.etc / "site.toml").write_text("[site")
    assert city.keeper.apply(city.made(), TEN_MINUTES).kept
    assert (city.etc / "site.toml").read_text() == SITE.format(port=502)


def test_a_folder_that_is_called_as_a_file_stays_where_it_is(city: City) -> None:
    own = city.etc / "models" / "mine.toml"
    own.mkdir(parents=True)
    city.change()
    assert city.keeper.apply(city.made(), TEN_MINUTES).kept
    assert own.is_dir()


def test_a_policy_that_was_tried_does_not_keep_the_one_before_from_coming_back(city: City) -> None:
    edition = policy_after(city, 6)

    def answer(at: float) -> Mapping[str, Any] | None:
        if at:  # the daemon has let the new one come into force, and fails then
            edition.write_text('{"city":"vaasa","number":7,"signer":"dpo","digest":"b"}')
        return None

    city.answer = answer
    (city.etc / "sharing.toml").unlink()
    city.keeper.apply(city.made(), TEN_MINUTES)
    assert '"number":6' in edition.read_text()


@pytest.mark.parametrize("cut", range(1, 14))
def test_a_power_cut_anywhere_leaves_the_old_or_the_new_configuration(
    city: City, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    city.change()
    before = city.files()
    left, real = [cut], os.fsync

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise PowerCutError
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with suppress(PowerCutError):
        city.keeper.apply(city.made(), TEN_MINUTES)
    monkeypatch.setattr(os, "fsync", real)
    city.now += 3600
    city.keeper.settle()
    found = {name: data for name, data in city.files().items() if not name.startswith(".")}
    known = Memory(city.etc).known()
    load(city.etc)
    if known is None:
        assert found == before
    else:
        assert found["site.toml"] == SITE.format(port=503).encode()
    assert Memory(city.etc).trial() is None


def test_a_trial_that_was_broken_off_goes_on(city: City) -> None:
    city.change()
    data = city.made()
    city.answer = lambda at: cut() if at > 20 else city.report()
    with pytest.raises(PowerCutError):
        city.keeper.apply(data, TEN_MINUTES)
    waiting = Memory(city.etc).trial()
    assert waiting is not None
    assert waiting.stage == "watching"
    with pytest.raises(ConfigError, match="another bundle is on trial"):
        city.keeper.apply(data, TEN_MINUTES)
    city.answer = lambda _: city.report()
    city.now += 86_400  # the power was away for a day
    verdict = city.keeper.settle()
    assert verdict is not None
    assert verdict.kept
    assert city.keeper.settle() is None


def cut() -> Mapping[str, Any]:
    raise PowerCutError


def test_the_command_makes_what_apply_takes(city: City, tmp_path: Path, capsys: Screen) -> None:
    out = tmp_path / "library.bundle"
    words = [str(city.desk), "--number", "9", "--key", str(city.keys / "admin"), "--out", str(out)]
    assert main(["bundle", "make", *words]) == 0
    assert "number 9 for vaasa/library/gw1" in capsys.readouterr().out
    assert city.keeper.apply(out.read_bytes(), TEN_MINUTES).kept
    assert main(["bundle", "show", "--config", str(city.etc)]) == 0
    assert "in force: number 9, signed by admin@vaasa.example" in capsys.readouterr().out


def test_a_note_that_cannot_be_read_says_what_to_do(city: City) -> None:
    memory = Memory(city.etc)
    known = Known(number=4, digest="", signer="x")
    memory.begin(Trial(bundle=known, patience=0.0, stage="writing"))
    (memory.folder / "trial.json").write_text("{")
    with pytest.raises(ConfigError, match="remove it to begin anew"):
        city.keeper.apply(city.made(), TEN_MINUTES)


def test_a_bundle_is_of_a_whole_folder_and_of_a_bearable_size(
    city: City, tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--number", "9", "--key", str(city.keys / "admin"), "--out", str(tmp_path / "library.bundle")]
    assert main(["bundle", "make", str(city.desk / "site.toml"), *words]) == 2
    assert "name the folder, not one file: a bundle is a whole configuration" in capsys.readouterr().err
    assert main(["bundle", "make", str(city.desk), *words[:2], "--key", "/nowhere/key", *words[4:]]) == 1
    assert "/nowhere/key does not sign: " in capsys.readouterr().err
    assert not (tmp_path / "library.bundle").exists()
    (tmp_path / "huge").write_bytes(bytes(101))
    monkeypatch.setattr("agent.bundle.pack.LONGEST", 100)
    assert main(["bundle", "apply", str(tmp_path / "huge"), "--config", str(city.etc)]) == 2
    assert "huge is larger than a bundle may be (100 bytes)" in capsys.readouterr().err


def test_what_is_on_trial_and_what_was_taken_back_is_shown(city: City, capsys: Screen) -> None:
    assert main(["bundle", "show", "--config", str(city.etc)]) == 0
    assert capsys.readouterr().out == "in force: none came as a bundle\n"
    city.change()
    city.answer = lambda at: cut() if at > 20 else city.report()
    with pytest.raises(PowerCutError):
        city.keeper.apply(city.made(), TEN_MINUTES)
    assert main(["bundle", "show", "--config", str(city.etc)]) == 0
    assert "on trial: number " in capsys.readouterr().out
    city.answer = lambda _: None
    verdict = city.keeper.settle()
    assert verdict is not None
    assert not verdict.kept
    assert main(["bundle", "show", "--config", str(city.etc)]) == 0
    said = capsys.readouterr().out
    assert "taken back: number " in said
    assert said.endswith(f", signed by admin@vaasa.example: {verdict.why}\n")


def test_without_a_bundle_on_trial_there_is_nothing_to_settle(
    city: City, tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.journal.set_up", lambda **_: None)
    words = ["--config", str(city.etc), "--state", str(tmp_path), "--socket", str(tmp_path / "none.sock")]
    assert main(["bundle", "settle", *words]) == 0
    assert capsys.readouterr().out == "No bundle is on trial.\n"


def test_files_before_that_are_gone_cannot_be_put_back(city: City) -> None:
    city.change()
    city.answer = lambda at: cut() if at > 20 else city.report()
    with pytest.raises(PowerCutError):
        city.keeper.apply(city.made(), TEN_MINUTES)
    shutil.rmtree(city.etc / ".bundle" / "before")
    city.answer = lambda _: None
    with pytest.raises(ConfigError, match="is missing: the configuration before cannot be put back"):
        city.keeper.settle()


@pytest.mark.parametrize("kept", [True, False])
def test_what_became_of_a_bundle_is_said_with_a_status(
    tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    status, word = (0, "kept") if kept else (1, "taken back")
    verdict = Verdict(number=9, signer="admin@vaasa.example", kept=kept, why="so it is", at=0.0)
    worlds: list[World] = []

    class Decided:
        def __init__(self, folder: Path, state: Path, models: Path, world: World) -> None:
            del folder, state, models
            worlds.append(world)

        def apply(self, raw: bytes, patience: float, calm: float) -> Verdict:
            assert (raw, patience, calm) == (b"bundle", 600.0, 60.0)
            return verdict

        def settle(self) -> Verdict:
            return verdict

    monkeypatch.setattr("agent.bundle.trial.Keeper", Decided)
    monkeypatch.setattr("agent.journal.set_up", lambda **_: None)
    (tmp_path / "b").write_bytes(b"bundle")
    where = ["--config", str(tmp_path), "--state", str(tmp_path), "--socket", str(tmp_path / "none.sock")]
    for words in (["apply", str(tmp_path / "b"), "--wait", "10m", "--calm", "1m"], ["settle"]):
        assert main(["bundle", *words, *where]) == status
        assert capsys.readouterr().out == f"bundle 9, signed by admin@vaasa.example: {word}: so it is\n"
    assert worlds[0].status() is None, "no gateway answers there"
    assert worlds[0].boot() > 0
    assert main(["bundle", "apply", str(tmp_path / "b"), "--wait", "soon", *where]) == 2
    assert "--wait: expected a duration" in capsys.readouterr().err
