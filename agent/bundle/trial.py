"""Applies a bundle: verifies, compiles, puts it into place, watches the gateway, keeps it or takes it back.

Whatever ends the trial in the middle (a power cut, a kill) leaves a note by which ``settle`` goes on.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from agent.bundle import pack
from agent.bundle.judge import objection, well
from agent.bundle.swap import Places
from agent.config.load import load
from agent.config.seal import signer_of
from agent.core.catalogue.bundles import BUNDLE_KEPT, BUNDLE_ON_TRIAL, BUNDLE_TAKEN_BACK
from agent.core.errors import ConfigError, GatewayError
from agent.core.plan import Plan
from agent.policy.edition import FILE, objection_to, remembered
from agent.trials import CALM, Known, Memory, Trial, Verdict

_log = logging.getLogger(__name__)
_GLANCE: Final = 5.0
_LEAST: Final = 0.2


class World(Struct, frozen=True, kw_only=True):
    """What a trial needs of the world: *status* is None while the gateway does not answer.

    *reload* makes the gateway read its files, and starts it if it does not run. Spans are measured by *boot*,
    which never jumps; *now* only labels.
    """

    now: Callable[[], float]
    boot: Callable[[], float]
    sleep: Callable[[float], None]
    status: Callable[[], Mapping[str, Any] | None]
    reload: Callable[[], None]


class Keeper:
    """The bundles of one gateway."""

    def __init__(self, folder: Path, state: Path, models: Path, world: World) -> None:
        self._folder = folder
        self._state = state
        self._places = Places(folder, models, state)
        self._memory = Memory(folder)
        self._world = world

    def apply(self, data: bytes, patience: float, calm: float = CALM) -> Verdict:
        """Try the bundle for at most *patience* seconds; raise ConfigError if it may not even be tried.

        It is kept as soon as all has been well for *calm* seconds.
        """
        if self._memory.trial() is not None:
            raise ConfigError("another bundle is on trial here; `citygate bundle settle` ends that first")
        bundle, known = self._verified(data)
        before = self._memory.known()
        if before is not None and known.digest == before.digest:
            return self._verdict(known, kept=True, why="it is in force")
        if before is not None and known.number <= before.number:
            raise ConfigError(
                f"this bundle is number {known.number}, and number {before.number} has been in force here: an"
                " old file? Make it anew with a higher number"
            )
        self._compiled(bundle)
        status = self._world.status()
        trial = Trial(
            bundle=known,
            patience=patience,
            calm=calm,
            stage="writing",
            well=tuple(sorted(well(status))) if status is not None else (),
            added=self._places.added(bundle.files),
        )
        self._places.keep_before(bundle.files)
        self._memory.begin(trial)
        self._places.put(bundle.files)
        trial = replace(trial, stage="watching")
        self._memory.begin(trial)
        BUNDLE_ON_TRIAL.tell(_log, known.number, known.signer)
        return self._watched(trial)

    def settle(self) -> Verdict | None:
        """Go on with a trial that was broken off; None: there is none."""
        trial = self._memory.trial()
        if trial is None:
            return None
        if trial.stage == "writing":
            return self._taken_back(trial, "it was broken off while its files were written")
        return self._watched(trial)

    def _verified(self, data: bytes) -> tuple[pack.Bundle, Known]:
        signers = self._folder / pack.SIGNERS
        if not signers.is_file():
            raise ConfigError(
                f"{signers} is missing, so nobody may change this gateway from a distance; put the keys there"
                f' that may, as ssh-keygen wants them: NAME namespaces="{pack.NAMESPACE}" ssh-ed25519 AAAA...'
            )
        try:
            raw, signature = pack.opened(data)
            with tempfile.NamedTemporaryFile() as file:
                file.write(signature)
                file.flush()
                signer = signer_of(raw, Path(file.name), signers, namespace=pack.NAMESPACE)
            bundle = pack.read(raw)
        except ValueError as error:
            raise ConfigError(f"the bundle is refused: {error}") from error
        digest = hashlib.sha256(raw).hexdigest()
        return bundle, Known(number=bundle.manifest.number, digest=digest, signer=signer)

    def _compiled(self, bundle: pack.Bundle) -> None:
        """Let the whole compiler look at it, as it will stand; raise ConfigError."""
        with tempfile.TemporaryDirectory() as name:
            stage = Path(name)
            self._places.staged(bundle.files, stage)
            plan = load(stage)
        place, wanted = plan.place, bundle.manifest
        if (place.city, place.site, place.gateway) != (wanted.city, wanted.site, wanted.gateway):
            told = f"{place.city}/{place.site}/{place.gateway}"
            raise ConfigError(f"the bundle is for {wanted.place}, and its own files say {told}")
        if (here := self._place_now()) is not None and here != wanted.place:
            raise ConfigError(f"the bundle is for {wanted.place}, and this gateway is {here}")
        self._check_policy(plan)

    def _place_now(self) -> str | None:
        try:
            place = load(self._folder).place
        except ConfigError:
            return None  # nothing there, or nothing that could be used: the bundle may cure it
        return f"{place.city}/{place.site}/{place.gateway}"

    def _check_policy(self, plan: Plan) -> None:
        if refusal := objection_to(plan, remembered(self._state), self._state / FILE):
            raise ConfigError(refusal)

    def _watched(self, trial: Trial) -> Verdict:
        """Watch until all has been well for a while, or the time is over; anew after a power cut."""
        world = self._world
        applied = datetime.fromtimestamp(world.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            world.reload()
        except GatewayError as error:
            return self._taken_back(trial, str(error))
        began = world.boot()
        calm: float | None = None
        why = "nothing was seen of it"
        while world.boot() - began < trial.patience:
            world.sleep(max(_LEAST, min(_GLANCE, trial.calm / 2)))
            now = world.boot()
            why = objection(world.status(), trial.well, applied)
            calm = None if why else (now if calm is None else calm)
            if calm is not None and now - calm >= trial.calm:
                return self._kept(trial)
        return self._taken_back(trial, why or "it was not well for long enough")

    def _kept(self, trial: Trial) -> Verdict:
        verdict = self._verdict(trial.bundle, kept=True, why="the gateway does well")
        self._memory.end(trial, verdict)
        BUNDLE_KEPT.tell(_log, trial.bundle.number, trial.bundle.signer)
        return verdict

    def _taken_back(self, trial: Trial, why: str) -> Verdict:
        self._places.take_back(trial.added)
        verdict = self._verdict(trial.bundle, kept=False, why=why)
        self._memory.end(trial, verdict)
        BUNDLE_TAKEN_BACK.tell(_log, trial.bundle.number, trial.bundle.signer, why)
        self._world.reload()
        return verdict

    def _verdict(self, known: Known, *, kept: bool, why: str) -> Verdict:
        return Verdict(number=known.number, signer=known.signer, kept=kept, why=why, at=self._world.now())
