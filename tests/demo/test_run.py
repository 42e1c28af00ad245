"""A demo whose programs fail ends at once, with status 1 and the reason in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.core.errors import GatewayError
from agent.demo import run as module
from agent.demo.city import validator
from agent.demo.site import Site


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ExceptionGroup("", [GatewayError("the broker ended by itself")]), "the broker ended by itself"),
        (TimeoutError(), "the demo's programs did not start within 15 s"),
    ],
)
async def test_a_program_that_fails_is_named_beside_what_is_missing(
    failure: Exception,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @asynccontextmanager
    async def programs(*_: object) -> AsyncIterator[None]:
        raise failure
        yield

    monkeypatch.setattr(module, "_programs", programs)
    ending = module.Ending(asyncio.Event(), None, interrupted=True)
    assert await module._demo(tmp_path, ending, None) == 1
    out = capsys.readouterr().out
    assert said in out
    assert "consecutive messages of energy agree with the truth, 3 are needed" in out


async def test_a_gateway_that_never_answers_ends_the_demo_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STARTING", -1.0)
    done = asyncio.Event()
    with pytest.raises(GatewayError, match=r"^no live values: "):
        await module._live(Site(tmp_path), done)
    assert not done.is_set()


def test_what_is_no_json_is_a_fault_of_the_message() -> None:
    body, faults = validator()(b"{")
    assert body is None
    assert [one.partition(":")[0] for one in faults] == ["no JSON"]
