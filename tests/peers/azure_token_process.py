"""The process behind tests/peers/foreign.py: signs with the token class of azure-iot-device, in made-up time.

Each line of input is ``{"resource", "key", "until"}``, each line of output the token. PYTHONPATH says where
the package is.
"""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


def module(path: Path) -> ModuleType:
    """Load one file of the package: the whole of it wants an older MQTT client."""
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    sys.modules[path.stem] = made
    spec.loader.exec_module(made)
    return made


home = next(Path(one) for one in sys.path if (Path(one) / "azure").is_dir())
auth = home / "azure" / "iot" / "device" / "common" / "auth"
signing = module(auth / "signing_mechanism.py")
token = module(auth / "sastoken.py")
for line in sys.stdin:
    asked = json.loads(line)
    token.time.time = lambda until=asked["until"]: until - 3600
    mechanism = signing.SymmetricKeySigningMechanism(asked["key"])
    made = token.RenewableSasToken(asked["resource"], mechanism, ttl=3600)
    sys.stdout.write(json.dumps(str(made)) + "\n")
