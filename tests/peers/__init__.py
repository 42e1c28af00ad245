"""Real servers and clients that we did not write, and how to need one.

On a laptop a missing program skips the test by name; where ``CITYGATE_PEERS=required`` (CI) it fails.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
from typing import NoReturn

import pytest


def need(program: str) -> str:
    """Give the path of *program* (or the name of the shared library ``lib...``); skip or fail without it."""
    if program.startswith("lib"):
        found = ctypes.util.find_library(program.removeprefix("lib"))
    else:
        found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return found or missing(program)


def missing(what: str) -> NoReturn:
    """Skip for want of *what*, or fail where peers are required."""
    text = f"needs {what}, which is not installed here"
    if os.environ.get("CITYGATE_PEERS") == "required":
        pytest.fail(text)
    pytest.skip(text)
