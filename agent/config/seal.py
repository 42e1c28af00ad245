"""Verifies the signature over the sharing policy, where this site demands one.

It is demanded by the file ``allowed_signers`` or ``allowed_minisign`` in the folder of the configuration,
and by nothing that stands in a TOML file: what is to be verified cannot say that it need not be. The bytes
that are verified are those that have been parsed. Signatures are those of ``ssh-keygen -Y``, which also knows
keys on tokens, or those of minisign; where both files are there, one of either kind suffices.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any, Final

from agent.config.draft import Draft
from agent.config.fault import Fault
from agent.config.merge import SHARING
from agent.config.sources import Source
from agent.core.plan import Edition

ALLOWED: Final = "allowed_signers"
ALLOWED_MINISIGN: Final = "allowed_minisign"
NAMESPACE: Final = "citygate"
SUFFIX: Final = ".sig"
TRUSTED: Final = (ALLOWED, ALLOWED_MINISIGN)
"""Files that say who may sign, each of which demands that somebody does."""
_PATIENCE: Final = 20.0
_SIGN: Final = "sign it: citygate policy sign"


def compile_edition(draft: Draft, table: Any, city: str) -> Edition | None:  # noqa: ANN401 - tables.Policy
    """Verify what has to be signed, and give which edition of the policy it is; None: nobody signed."""
    if table is not None and city and table.city != city:
        message = f'this policy is for "{table.city}"; this gateway stands in "{city}"'
        draft.fault(("policy", "city"), message)
    holders = [one for one in draft.sources if not SHARING.isdisjoint(one.tables)]
    if not is_demanded(draft.folder) or not holders:
        return None
    source = holders[0]
    for other in holders[1:]:
        message = f"tables of the sharing policy stand in {source.name} too: signed, they stand in one file"
        draft.faults.append(Fault(other, (), message))
    try:
        signer = _signer(draft.folder, source)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        draft.faults.append(Fault(source, (), message, hint))
        return None
    if table is None:
        if "policy" not in source.tables:
            draft.faults.append(Fault(source, (), "missing table [policy]", "it says city and number"))
        return None
    digest = hashlib.sha256(source.raw).hexdigest()
    return Edition(city=table.city, number=table.number, signer=signer, digest=digest)


def is_demanded(folder: Path) -> bool:
    """Say whether the policy in *folder* has to be signed: a link to nowhere demands it too."""
    return any(os.path.lexists(folder / one) for one in TRUSTED)


def _signer(folder: Path, source: Source) -> str:
    """Give who signed *source*, by either kind of signature that this folder trusts; raise ValueError."""
    from agent.config import minisign  # only signed policies need it

    ways = (
        (ALLOWED, SUFFIX, signer_of),
        (ALLOWED_MINISIGN, minisign.SUFFIX, minisign.signer_of),
    )
    trusted = [one for one in ways if os.path.lexists(folder / one[0])]
    there = [one for one in trusted if (folder / (source.name + one[1])).is_file()]
    if not there:
        names = " or ".join(source.name + suffix for _, suffix, _ in trusted)
        raise ValueError(f"not signed: there is no {names} beside it; {_SIGN}")
    refused: list[ValueError] = []
    for allowed, suffix, signer_by in there:
        try:
            return signer_by(source.raw, folder / (source.name + suffix), folder / allowed)
        except ValueError as error:
            refused.append(error)
    raise refused[0]


def signer_of(raw: bytes, signature: Path, allowed: Path, *, namespace: str = NAMESPACE) -> str:
    """Give who signed *raw* for that use; raise ValueError with a sentence, and after "; " what to do."""
    found = _ssh_keygen("-Y", "find-principals", "-s", str(signature), "-f", str(allowed))
    principal = found.stdout.decode(errors="replace").partition("\n")[0].strip()
    if found.returncode or not principal:
        raise ValueError(f"signed by nobody of {allowed.name}; one of those has to sign it")
    words = ("-Y", "verify", "-f", str(allowed), "-I", principal, "-n", namespace, "-s", str(signature))
    done = _ssh_keygen(*words, raw=raw)
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split()) or "no reason given"
        raise ValueError(f"not what {principal} signed ({said}); restore it, or sign it anew")
    return principal


def sign(raw: bytes, key: Path, *, namespace: str = NAMESPACE) -> bytes:
    """Give the signature over *raw* with an ssh key; the key's passphrase is asked for on the terminal."""
    made = _ssh_keygen("-Y", "sign", "-f", str(key), "-n", namespace, raw=raw, patience=None)
    if made.returncode:
        said = " ".join(made.stderr.decode(errors="replace").split())
        raise ValueError(f"{key} does not sign: {said}")
    return made.stdout


def _ssh_keygen(
    *words: str, raw: bytes = b"", patience: float | None = _PATIENCE
) -> subprocess.CompletedProcess[bytes]:
    import shutil  # with its compressors half a megabyte, and only signed policies need it

    program = shutil.which("ssh-keygen")
    if program is None:
        raise ValueError("no signature can be verified without ssh-keygen; install openssh-client")
    try:
        return subprocess.run(  # noqa: S603 - a fixed program, and words that are no options
            [program, *words], input=raw, capture_output=True, timeout=patience, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"ssh-keygen gave no answer: {error}") from error
