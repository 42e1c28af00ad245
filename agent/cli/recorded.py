"""Reads recorded samples: a JSON object on a line of its own, in the one form that tests use too.

``{"at": "2026-11-21T20:00:00Z", "point": "hall.co2", "value": 612.0}``; ``quality`` (good, uncertain, bad)
and ``why`` may follow, and ``at`` may be seconds: since 1970, in a test since its start. A line that is
anything else is refused with its place, and so are times that are a year apart: nobody recorded that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from agent.core.errors import ConfigError
from agent.core.sample import Quality, Sample

KEYS: Final = ("at", "point", "value", "quality", "why")
_LATEST: Final = 253402300799.0  # the end of the year 9999
_APART: Final = 366 * 86400.0
_EXAMPLE: Final = 'write {"at": "2026-11-21T20:00:00Z", "point": "main-meter.active_power", "value": 12.5}'


class _Refused(ValueError):  # noqa: N818 - it never leaves this file
    """What is wrong with a line."""


def samples(lines: Iterable[str], name: str) -> Iterator[Sample]:
    """Read samples; raise ConfigError that begins with *name* and the number of the faulty line."""
    newest: float | None = None
    number = 0
    try:
        for line in lines:
            number += 1
            if not line.strip():
                continue
            sample = _sample(json.loads(line))
            newest = _later(newest, sample.at)
            yield sample
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}:{number + 1}: not UTF-8: {_EXAMPLE}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{number}:{error.colno}: not JSON: {error.msg}; {_EXAMPLE}") from error
    except (ValueError, RecursionError) as error:  # also: a number too long to be read
        raise ConfigError(f"{name}:{number}: {error}") from error


def _later(newest: float | None, at: float) -> float:
    if newest is not None and at - newest > _APART:
        raise _Refused(f"{(at - newest) / 86400:,.0f} days lie between this sample and the ones before it")
    return at if newest is None else max(newest, at)


def _sample(raw: Any) -> Sample:  # noqa: ANN401 - any JSON value
    if not isinstance(raw, dict):
        raise _Refused(f"a sample is an object; {_EXAMPLE}")
    for key in raw:
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            raise _Refused(f'unknown key "{key}"; ' + (f'did you mean "{near[0]}"?' if near else _EXAMPLE))
    for key in KEYS[:3]:
        if key not in raw:
            raise _Refused(f'"{key}" is missing; {_EXAMPLE}')
    value = None if raw["value"] is None else _number("value", raw["value"])
    quality = _quality(raw.get("quality", "bad" if value is None else "good"))
    return Sample(_text(raw, "point"), value, _time(raw["at"]), quality, _text(raw, "why"))


def _time(at: object) -> float:
    if not isinstance(at, str):
        seconds = _number("at", at)
    else:
        try:
            when = datetime.fromisoformat(at)
        except ValueError:
            raise _Refused(f'"at": "{at}" is no time such as 2026-11-21T20:00:00Z') from None
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if not 0 <= seconds <= _LATEST:
        raise _Refused(f'"at": {at} is outside the years 1970 to 9999')
    return seconds


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Refused(f'"{key}" is a number, not {json.dumps(value)}')
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Refused(f'"{key}" is not finite')
    return number


def _quality(word: object) -> Quality:
    known = [str(one) for one in Quality]
    if word not in known:
        raise _Refused(f'"quality" is {", ".join(known[:-1])} or {known[-1]}, not {json.dumps(word)}')
    return Quality(str(word))


def _text(raw: dict[str, Any], key: str) -> str:
    value = raw.get(key, "")
    if not isinstance(value, str):
        raise _Refused(f'"{key}" is text, not {json.dumps(value)}')
    return value
