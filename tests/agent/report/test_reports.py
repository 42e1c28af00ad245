"""Reports say what the configuration bears out: recorded cases, and nothing that a phrase is missing for."""

from __future__ import annotations

import json
import re
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from agent.config.load import load
from agent.config.tables import PURPOSES, Basis
from agent.core.plan import Plan
from agent.core.point import Scope
from agent.core.product import Mode, Privacy, Statistic
from agent.outbox.spent import Spent
from agent.prove.record import kept
from agent.report.document import Page, Paragraph, Table, html, markdown
from agent.report.notice import groups, notice, record
from agent.report.phrases import Phrases, languages, phrases
from agent.report.privacy import annex
from agent.report.spans import span
from tests.agent.town import SITE as TOWN

ROOT = Path(__file__).parents[3]
CASES = sorted((ROOT / "tests" / "cases" / "reports").iterdir())
EVERY = [phrases(code) for code in languages()]


def reports(case: Path) -> dict[str, str]:
    """Write every report of a case, as the commands do, by the names of their files."""
    plan = load(case, today=date(2026, 11, 28))
    page = annex(plan, kept(case), made="2026-11-28", software="0.1.0")
    found = {"annex.md": markdown(page), "annex.html": html([page])}
    for words in EVERY:
        found[f"notice.{words.code}.html"] = html([notice(plan, one, words) for one in groups(plan)])
    records = [record(plan, one, EVERY) for one in groups(plan)]
    found["register.json"] = json.dumps(records, indent=2, ensure_ascii=False) + "\n"
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_reports_are_as_recorded(case: Path) -> None:
    for name, text in reports(case).items():
        assert text == (case / name).read_text("utf-8"), name


@pytest.mark.parametrize("words", EVERY, ids=lambda one: one.code)
def test_no_language_lacks_a_phrase(words: Phrases) -> None:
    english = phrases("en")
    tables = [one for one in Phrases.__struct_fields__ if one not in ("code", "name")]
    for name in tables:
        mine, theirs = getattr(words, name), getattr(english, name)
        assert mine.keys() == theirs.keys(), name
        for key, phrase in mine.items():
            assert phrase.strip(), f"{name}.{key}"
            assert set(re.findall(r"{\w+}", phrase)) == set(re.findall(r"{\w+}", theirs[key])), (
                f"{name}.{key}"
            )


def test_there_are_the_languages_of_the_cities_that_use_it() -> None:
    assert languages()[0] == "en"
    assert {"en", "fi", "sv", "de"} <= set(languages())


def test_there_is_a_phrase_for_every_word_of_the_configuration() -> None:
    english = phrases("en")
    assert set(Scope) == english.scope.keys()
    assert set(get_args(Statistic)) == english.statistic.keys()
    assert {*get_args(Mode), "month", "round"} == english.privacy.keys()
    assert {one or "none" for one in get_args(Basis)} == english.basis.keys()
    assert PURPOSES.keys() == english.purpose.keys()
    shipped = [*(ROOT / "config" / "profiles").rglob("*.toml"), *(ROOT / "drivers").rglob("*.py")]
    texts = "\n".join(path.read_text("utf-8") for path in shipped)
    assert set(re.findall(r'\bquantity ?= ?"(\w+)"', texts)) == english.quantity.keys()


class Outline(HTMLParser):
    """What a reader of a page goes by: languages, headings, tables; and what is fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.tags: list[str] = []
        self.languages: list[str | None] = []
        self.scopes = 0
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if "lang" in given:
            self.languages.append(given["lang"])
        self.scopes += given.get("scope") == "col"
        self.fetched += [f"{tag} {name}" for name in given if name in ("src", "href")]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_a_page_is_whole_by_itself_and_can_be_read_aloud(case: Path) -> None:
    for name, text in reports(case).items():
        if not name.endswith(".html"):
            continue
        page = Outline(text)
        assert not page.fetched, name
        assert "url(" not in text
        assert "script" not in page.tags
        assert all(lower <= upper + 1 for upper, lower in zip(page.levels, page.levels[1:], strict=False)), (
            name
        )
        assert page.languages[0] == (name.split(".")[1] if name.startswith("notice") else "en")
        assert page.tags.count("caption") == page.tags.count("table")
        assert page.tags.count("th") == page.scopes


def test_text_never_becomes_markup() -> None:
    rough = 'a <b> & "c" | d_e [f](g)'
    page = Page(rough, "en", (Paragraph(rough), Table("t", ("h",), ((rough,),))))
    assert "<b>" not in html([page])
    assert html([page]).count("&lt;b&gt; &amp;") == 4
    assert markdown(page).count(r"a \<b\> & ") == 3
    assert r"\| d\_e \[f\](g) |" in markdown(page)


def test_what_nobody_decided_is_said_to_be_missing() -> None:
    plan = load(ROOT / "config" / "planted" / "modes.toml")
    text = markdown(annex(plan, None, made="2026-11-28", software="0.1.0"))
    assert "nobody is named" in text
    assert "No proof has been kept" in text
    said = html([notice(plan, groups(plan)[0], phrases("de"))])
    assert phrases("de").page["nobody"] in said


def test_what_is_not_shared_is_not_said_to_be() -> None:
    case = CASES[0]
    plan = load(case)
    shared = {one.link.name: [route.product for route, _ in one.routes] for one in groups(plan)}
    assert shared == {"counter": ["visitors", "leaving"], "plant-room": ["energy", "home"], "workshop": []}
    quiet = html([notice(plan, groups(plan)[2], phrases("sv"))])
    assert phrases("sv").page["nothing"] in quiet
    assert "Vasa" not in quiet.partition(phrases("sv").page["leaves"])[2].partition("<h2>")[0]


@pytest.mark.parametrize("words", EVERY, ids=lambda one: one.code)
def test_no_smaller_share_is_promised_than_is_kept(words: Phrases) -> None:
    plan = load(CASES[0], today=date(2026, 11, 28))
    homes = Privacy(mode="min-sources", max_share=0.145)
    plan = replace(plan, products=tuple(replace(one, privacy=homes) for one in plan.products))
    assert "14.5%" in html([notice(plan, groups(plan)[0], words)])


@pytest.mark.parametrize(
    "claim", ["GDPR-compliant", "anonymous", "no personal data", "tamper-proof", "lawful"]
)
def test_no_page_makes_a_legal_claim(claim: str) -> None:
    for name, text in reports(CASES[0]).items():
        assert claim.lower() not in text.lower(), name


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(900, "15 min"), (34_560_000, "400 d"), (5, "5 s"), (0.5, "0.5 s"), (5400, "90 min")],
)
def test_a_stretch_of_time_is_written_in_the_unit_that_divides_it(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_the_plan_of_a_case_is_one_that_a_gateway_would_run() -> None:
    assert all(isinstance(load(case), Plan) for case in CASES)


def test_the_annex_tells_how_little_can_cross_from_a_camera(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(TOWN, "utf-8")
    text = markdown(annex(load(tmp_path), None, made="2026-11-28", software="0.1.0"))
    assert re.search(r"- square: at most [\d,]+ bytes an hour cross from this camera's pictures", text)


def test_the_annex_sums_up_what_was_released_with_noise() -> None:
    def day(number: int, point: str, releases: int) -> Spent:
        return Spent(
            day=f"2026-11-{number}", policy="ac5e474670b5", product="leaving", point=point, epsilon="1/2",
            sensitivity=2, releases=releases,
        )  # fmt: skip

    noise = [day(20, "door.out", 96), day(21, "door.out", 94), day(21, "door.in", 94)]
    plan = load(CASES[0], today=date(2026, 11, 28))
    text = markdown(annex(plan, None, made="2026-11-28", software="0.1.0", noise=noise))
    assert "| leaving | door.out | ac5e474670b5 | 1/2 | 2 | 2 | 96 | 190 |" in text
    assert "| leaving | door.in | ac5e474670b5 | 1/2 | 2 | 1 | 94 | 94 |" in text
    assert "Figures with noise" not in markdown(annex(plan, None, made="2026-11-28", software="0.1.0"))


def test_events_are_told_as_events_and_noise_over_several_products_is_added_up() -> None:
    plan = load(CASES[0], today=date(2026, 11, 28))
    noisy = Privacy(mode="dp", epsilon="0.5", sensitivity=1, round=5, clamp=True)
    one, *others = plan.products
    counted = replace(one, privacy=noisy)
    twice = replace(counted, id="again")
    route = next(each for each in plan.routes if each.product == one.id)
    both = replace(
        plan, products=(counted, twice, *others), routes=(*plan.routes, replace(route, product="again"))
    )
    text = markdown(annex(both, None, made="2026-11-28", software="0.1.0"))
    assert "all count loses at most epsilon 1 together" in text
    assert "rounded to multiples of 5 after the noise" in text
    assert "below zero told as zero" in text
    events = replace(one, window=0.0, span="", statistics=(), privacy=Privacy())
    told = replace(plan, products=(events, *others))
    words = phrases("en")
    assert words.page["events"] in html([notice(told, each, words) for each in groups(told)])
