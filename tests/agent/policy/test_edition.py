"""No older edition of a signed policy comes back, and none without a signature after one that had it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.errors import ConfigError
from agent.core.plan import Edition, Grant, Plan
from agent.policy.edition import FILE, admit, remembered
from tests.agent.small_site import plan as small_plan

GRANT = Grant(name="ops", recipient="city", products=("energy",), purpose="operations", basis="", keep=1e6)


def edition(number: int, digest: str = "", city: str = "vaasa") -> Plan:
    made = Edition(city=city, number=number, signer="dpo@vaasa.example", digest=digest or f"{number:064x}")
    return replace(small_plan(), grants=(GRANT,), edition=made)


UNSIGNED = replace(small_plan(), grants=(GRANT,))


def refusal(plan: Plan, state: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        admit(plan, state)
    return str(caught.value)


def test_editions_follow_one_another(tmp_path: Path) -> None:
    for number in (1, 1, 2, 9, 9):
        admit(edition(number), tmp_path)
    known = remembered(tmp_path)
    assert known is not None
    assert known.number == 9


def test_an_older_edition_is_refused_and_the_newer_one_remembered(tmp_path: Path) -> None:
    admit(edition(7), tmp_path)
    assert "is number 6, and number 7 has been in force" in refusal(edition(6), tmp_path)
    known = remembered(tmp_path)
    assert known is not None
    assert known.number == 7


def test_another_file_with_the_same_number_is_refused(tmp_path: Path) -> None:
    admit(edition(7, "a" * 64), tmp_path)
    assert "another file with that number" in refusal(edition(7, "b" * 64), tmp_path)


def test_an_unsigned_policy_does_not_follow_a_signed_one(tmp_path: Path) -> None:
    admit(edition(7), tmp_path)
    assert "put the signature back, and who may sign" in refusal(UNSIGNED, tmp_path)
    (tmp_path / FILE).unlink()
    admit(UNSIGNED, tmp_path)


def test_a_site_that_shares_nothing_needs_no_signature(tmp_path: Path) -> None:
    admit(edition(7), tmp_path)
    admit(replace(UNSIGNED, grants=(), routes=()), tmp_path)
    assert "number 7" in refusal(edition(6), tmp_path)


def test_unsigned_policies_leave_no_memory(tmp_path: Path) -> None:
    admit(UNSIGNED, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_gateway_that_moves_to_another_city_counts_anew(tmp_path: Path) -> None:
    admit(edition(7), tmp_path)
    admit(edition(1, city="espoo"), tmp_path)


@pytest.mark.parametrize("text", [b"", b"{}", b"\x00\xff", b'{"city":"vaasa","number":"x"}'])
def test_a_memory_that_cannot_be_read_lets_nothing_through(tmp_path: Path, text: bytes) -> None:
    (tmp_path / FILE).write_bytes(text)
    assert "nobody can say whether this policy is an old one" in refusal(edition(9), tmp_path)


def test_a_number_that_cannot_be_remembered_does_not_come_into_force(tmp_path: Path) -> None:
    (tmp_path / f"{FILE}.new").mkdir()  # where the memory is written first
    assert "could be replaced by an older one" in refusal(edition(1), tmp_path)
