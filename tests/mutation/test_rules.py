"""No rule of the gate, the privacy modes, the compiler or the outbox can go without a test turning red.

The everyday tests look whether the list still fits the files; the long ones take each rule out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.mutants import ROOT, Refusal, Rule, red, refusals, rules

RULES = rules()
CASES = "tests/agent/config/test_load.py"
WATCHED = {
    "agent/config/protection.py": (CASES,),
    "agent/config/terms.py": (CASES,),
    "agent/config/sharing.py": (CASES,),
    "agent/config/readers.py": (CASES,),
    "agent/config/references.py": (CASES,),
    "agent/config/releases.py": (CASES,),
    "agent/config/merge.py": (CASES,),
    "agent/config/commands.py": (CASES, "tests/agent/config/test_platforms.py"),
    "agent/config/seal.py": ("tests/agent/config/test_seal.py",),
    "agent/config/minisign.py": ("tests/agent/config/test_minisign.py",),
    "agent/core/rate.py": ("tests/core/test_rate.py",),
    "agent/policy/edition.py": ("tests/agent/policy/test_edition.py",),
    "agent/privacy/epsilon.py": ("tests/agent/privacy/test_epsilon.py",),
}
"""Files of which every refusal is taken out, and the tests that must notice."""
REFUSALS = [one for file in WATCHED for one in refusals(file)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_the_list_of_rules_fits_the_files(rule: Rule) -> None:
    compile(rule.mutant(), rule.file, "exec")
    assert rule.take != rule.give
    file, _, name = rule.red.partition("::")
    assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text("utf-8")


def test_no_two_rules_are_the_same() -> None:
    assert (
        len({(one.file, one.take, one.give) for one in RULES})
        == len(RULES)
        == len({one.says for one in RULES})
    )


@pytest.mark.long
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.says)
def test_without_the_rule_its_test_turns_red(rule: Rule, tmp_path: Path) -> None:
    assert red(rule.file, rule.mutant(), [rule.red], tmp_path), f"{rule.red} did not notice"


@pytest.mark.long
@pytest.mark.parametrize("one", REFUSALS, ids=lambda one: f"{one.file}:{one.line}")
def test_without_a_refusal_some_test_turns_red(one: Refusal, tmp_path: Path) -> None:
    assert red(one.file, one.text, WATCHED[one.file], tmp_path), f"nobody misses: {one.words}"


@pytest.mark.long
def test_as_they_are_the_files_leave_every_test_green(tmp_path: Path) -> None:
    named = list(dict.fromkeys(one.red for one in RULES))
    text = (ROOT / "agent/gate.py").read_text("utf-8")
    assert red("agent/gate.py", text, named, tmp_path) == []
