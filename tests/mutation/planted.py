"""A pytest plugin that lets one module be imported with other text: the runs of ``mutants.py`` load it.

The file on disk stays as it is, so that nothing else on this computer sees the change. Examples are the same
in each run, and none is made smaller: it is enough that one fails.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType

from hypothesis import Phase, settings

FILE = "CITYGATE_PLANTED"
TEXT = "CITYGATE_PLANTED_TEXT"


class _Loader(SourceFileLoader):
    """Compiles the other text, and neither reads nor writes bytecode."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self._text, self.path, "exec", dont_inherit=True)
        return code


class _Finder:
    """Finds the one module."""

    def __init__(self, file: Path, text: str) -> None:
        self._name = ".".join(file.with_suffix("").parts)
        self._file = file
        self._text = text

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        if name != self._name:
            return None
        place = str(self._file.resolve())
        return spec_from_file_location(name, place, loader=_Loader(name, place, self._text))


if FILE in os.environ:
    assert not any(name.startswith("agent") for name in sys.modules), "too late: it is imported already"
    text = Path(os.environ[TEXT]).read_text("utf-8")
    sys.meta_path.insert(0, _Finder(Path(os.environ[FILE]), text))
    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("planted", deadline=None, derandomize=True, database=None, phases=phases)
    settings.load_profile("planted")
