"""The page on which lines are drawn: what comes out of it in a real browser is what the gateway takes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from agent.cli.draw import page
from agent.cli.main import main
from agent.config.load import load
from agent.core.scene import Line as Drawn
from drivers.camera import Camera
from pipelines.vision.line import Line
from pipelines.vision.tracker import Moved
from tests.cli.conftest import SITE
from tests.peers.chromium import Browser, browser

Screen = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
_PLACE = SITE.partition("[link")[0]
GIVEN = """\
# the library's cameras
[link.square]
driver = "camera"          # by the door
source = 'rtsp://10.30.0.7/stream2'
model = "nanodet-g"
picture = [640, 480]  # drawn in May
rate = 2.5
label = \"\"\"
Square


of the \\u0041ltar\"\"\"

# the gate that Pekka knows
[link.square.lines.north-gate]
from = [0.49, 0.21]
# measured twice
to = [0.49, 0.83]
classes = ["bicycle", "person"]

[link.square.zones.terrace]
corners = [
  [0.1, 0.5], [0.4, 0.5],  # the wall
  [0.4, 0.9], [0.1, 0.9],
]

# the other one
[link.yard]
driver = "camera"
source = "rtsp://10.30.0.8/2"
model = "nanodet-g"
bays.taxi = { corners = [[0.6, 0.6], [0.7, 0.6], [0.7, 0.8], [0.6, 0.8]], label = "Taxi" }
rate = 1  # slow
"""


ODD_FORMS = r"""
a.b.c = 1_000
d = [ 1, # one
 2, ]
'e f' = 'x\y'
g = '''
i
j'
'''
k = 2026-11-28
l = {m = true, n.o = -1.5e3}
["t.u".v]
w = []
[[p]]
q=1
[[p]]
[p.r]
s="\U0001F600 \"\\"
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as one:
        yield one


@pytest.fixture
def drawing(chromium: Browser, tmp_path: Path) -> Browser:
    """Give the page as the command writes it, with a still of 640 x 480."""
    begin(chromium, tmp_path, 1000, 1400)
    chromium.give("file", still(tmp_path / "still.png", 640, 480))
    settle(chromium, "state.still")
    return chromium


def begin(chromium: Browser, folder: Path, wide: int, high: int, *, phone: bool = False) -> None:
    assert main(["draw", str(folder / "draw.html")]) == 0
    chromium.requests.clear()
    chromium.troubles.clear()
    chromium.ask(
        "Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=phone
    )
    chromium.ask("Emulation.setTouchEmulationEnabled", enabled=phone)
    chromium.open(folder / "draw.html")


def still(path: Path, wide: int, high: int) -> Path:
    with av.open(str(path), "w", format="image2") as out:
        stream = out.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = wide, high, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.full((high, wide, 3), 90, np.uint8), format="rgb24")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def settle(chromium: Browser, what: str) -> None:
    """Wait until *what* is so in the page."""
    chromium.run(
        f"new Promise(done => {{ const look = () => ({what}) ? done() : setTimeout(look, 20); look(); }})"
    )


def at(chromium: Browser, x: float, y: float) -> tuple[float, float]:
    """Give where a spot of the picture is in the window."""
    chromium.run("$('stage').scrollIntoView()")
    box = chromium.run(
        "(({left, top, width, height}) => [left, top, width, height])($('stage').getBoundingClientRect())"
    )
    return box[0] + x * box[2], box[1] + y * box[3]


def tool(chromium: Browser, name: str) -> None:
    chromium.run(f"document.querySelector('[name=tool][value={name}]').click()")


def toml(chromium: Browser) -> dict[str, Any]:
    text = chromium.run("$('toml').value")
    assert text, chromium.run("$('faults').textContent")
    return tomllib.loads(text)


def paste(chromium: Browser, text: str, camera: str = "") -> None:
    chromium.run(f"$('given').value = {text!r}; $('given').dispatchEvent(new Event('input'))")
    if camera:
        chromium.run(f"$('which').value = JSON.stringify(['link', {camera!r}])")
    chromium.run("$('take').click()")


def test_a_line_drawn_with_the_mouse_goes_through_check(
    drawing: Browser, tmp_path: Path, capsys: Screen
) -> None:
    tool(drawing, "lines")
    drawing.click(*at(drawing, 0.25, 0.75), to=at(drawing, 0.5, 0.25))
    text = drawing.run("$('toml').value")
    (tmp_path / "site.toml").write_text(_PLACE + text, encoding="utf-8")
    assert main(["check", str(tmp_path)]) == 0, capsys.readouterr()
    [link] = load(tmp_path).links
    assert isinstance(link.driver, Camera)
    line = link.driver.lines["line-1"]
    assert (*line.start, *line.end) == pytest.approx((0.25, 0.75, 0.5, 0.25), abs=0.002)
    assert link.driver.picture == (640, 480)
    assert line.classes == ("person",)


def test_the_words_stand_where_the_counter_counts_them(drawing: Browser) -> None:
    spots = [[0.3, 0.8], [0.6, 0.3]]
    drawing.run(f"add('lines', {spots})")
    tip = (
        "[...document.querySelector('[data-way=to_left]').getAttribute('d').matchAll(/[\\d.]+/g)].map(Number)"
    )
    x, y, u, v = drawing.run(tip)[:4]
    line = Line(Drawn(start=(0.3, 0.8), end=(0.6, 0.3)), 4 / 3)
    line.follow(Moved(np.zeros(0, np.intp), 1))
    high = 0.01  # so small a walker that no band hides the step

    def walk(px: float, py: float) -> Any:  # noqa: ANN401
        foot = np.array([px / 1000 * 4 / 3, py / 750])
        box = np.array([[foot[0] - 0.01, foot[1] - high, foot[0] + 0.01, foot[1]]])
        return line.feed(box, np.array([True]), np.array([True]))

    middle = (450.0, 412.5)
    walk(2 * middle[0] - u, 2 * middle[1] - v)
    crossed = walk(u, v)
    assert crossed.to_left[0], "the arrow called to_left points to the other side"
    assert not crossed.to_right[0]
    assert (x, y) != (u, v)


def test_zones_and_bays_are_clicked_corner_by_corner(drawing: Browser) -> None:
    for kind in ("zones", "bays"):
        tool(drawing, kind)
        for x, y in ((0.2, 0.2), (0.6, 0.2), (0.6, 0.7), (0.2, 0.2)):
            drawing.click(*at(drawing, x, y))
    camera = toml(drawing)["link"]["camera"]
    assert len(camera["zones"]["zone-1"]["corners"]) == 3
    assert len(camera["bays"]["bay-1"]["corners"]) == 3
    assert "classes" not in camera["bays"]["bay-1"]


def test_a_finger_moves_a_corner_on_a_phone(chromium: Browser, tmp_path: Path) -> None:
    begin(chromium, tmp_path, 390, 844, phone=True)
    chromium.run("document.querySelector('[data-add=lines]').click()")
    chromium.touch(*at(chromium, 0.5, 0.8), to=at(chromium, 0.7, 0.6))
    assert toml(chromium)["link"]["camera"]["lines"]["line-1"]["from"] == pytest.approx([0.7, 0.6], abs=0.02)
    assert chromium.run("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the phone"
    small = "[...document.querySelectorAll('button, .button, select')].filter(one => one.offsetParent)"
    assert chromium.run(f"Math.min(...{small}.map(one => one.getBoundingClientRect().height))") >= 44


def test_keys_alone_are_enough(drawing: Browser) -> None:
    drawing.run("document.querySelector('[data-add=zones]').focus()")
    drawing.key("Enter")
    assert drawing.run("document.activeElement.value") == "zone-1"
    drawing.run("document.querySelector('.grip').focus()")
    for name, shift in (("ArrowRight", False), ("ArrowDown", True)):
        drawing.key(name, shift=shift)
    assert toml(drawing)["link"]["camera"]["zones"]["zone-1"]["corners"][0] == [0.355, 0.45]
    drawing.key("Tab")
    assert "corner 2" in drawing.run("document.activeElement.getAttribute('aria-label')")
    drawing.key("Delete")
    assert len(toml(drawing)["link"]["camera"]["zones"]["zone-1"]["corners"]) == 3
    drawing.run("$('undo').click()")
    assert len(toml(drawing)["link"]["camera"]["zones"]["zone-1"]["corners"]) == 4


def test_what_is_pasted_comes_back_word_for_word_but_for_what_was_drawn(drawing: Browser) -> None:
    paste(drawing, GIVEN, "square")
    drawing.run("$('i0-0-0').value = '0.5'; $('i0-0-0').dispatchEvent(new Event('input'))")
    text = drawing.run("$('toml').value")
    before, after = GIVEN.splitlines(), text.splitlines()
    drawn = before.index("[link.square.lines.north-gate]")
    assert after[: drawn - 1] == before[: drawn - 1], "what stands above was touched"
    yard = before.index("# the other one")
    assert after[-len(before[yard:]) :] == before[yard:], "what stands below was touched"
    for comment in ("# the gate that Pekka knows", "# measured twice", "# the wall"):
        assert comment in text
    site = tomllib.loads(text)["link"]["square"]
    assert site["lines"]["north-gate"]["from"] == [0.5, 0.21]
    assert {**site, "lines": {}} == {**tomllib.loads(GIVEN)["link"]["square"], "lines": {}} | {
        "zones": {"terrace": {**site["zones"]["terrace"], "classes": ["person"]}}
    }


def test_drawings_in_one_line_are_taken_over_too(drawing: Browser) -> None:
    paste(drawing, GIVEN, "yard")
    text = drawing.run("$('toml').value")
    site = tomllib.loads(text)["link"]
    given = tomllib.loads(GIVEN)["link"]
    assert site["yard"] == {**given["yard"], "picture": [640, 480]}
    assert site["square"] == given["square"]
    assert "[link.yard.bays.taxi]" in text


def test_a_file_of_lines_alone_stays_one(drawing: Browser) -> None:
    paste(drawing, "[lines.gate]\nfrom = [0.5, 0.95]\nto = [0.5, 0.05]\n")
    assert toml(drawing) == {
        "picture": [640, 480],
        "lines": {"gate": {"from": [0.5, 0.95], "to": [0.5, 0.05], "classes": ["person"]}},
    }


def test_the_page_reads_toml_as_the_standard_library_does(drawing: Browser) -> None:
    """Every TOML file that ships, and forms that none of them has."""
    paths = [
        one for folder in ("config", "tests/profiles") for one in sorted((ROOT / folder).rglob("*.toml"))
    ]
    texts = [one.read_text("utf-8") for one in paths] + [GIVEN, ODD_FORMS]
    drawing.run(f"window.texts = {json.dumps(texts)}; 0")
    read = "(text) => { try { return readToml(text).tree; } catch (error) { return error.message; } }"
    ours = json.loads(drawing.run(f"JSON.stringify(texts.map({read}))"))
    assert len(texts) > 100
    for path, text, one in zip([*paths, "GIVEN", "ODD_FORMS"], texts, ours, strict=True):
        try:
            theirs = plain(tomllib.loads(text))
        except tomllib.TOMLDecodeError:  # written wrongly, for other tests
            continue
        assert one == theirs, path


def plain(value: object) -> object:
    """Give what the page makes of *value*: dates are passed over as words."""
    match value:
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case date():
            return {"word": str(value)}
    return value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[link.square\n", 'line 1, column 13: a "]" is missing'),
        ('a = "x\n', "line 1, column 5: this text does not end"),
        ("a = 1\na = 2\n", 'line 2, column 1: "a" is there already'),
        ("[site]\n", "There is no camera in it"),
        ("[lines.a]\nfrom = [0, 2]\nto = [0, 1]\n", 'line a needs "from" and "to"'),
        ('[lines.a]\nclasses = ["dog"]\nfrom = [0, 0]\nto = [0, 1]\n', '"dog" is none of person'),
        ("[lines.a]\nform = [0, 0]\n", 'line a has "form"; known are: from'),
    ],
)
def test_what_cannot_be_taken_over_is_said_in_a_sentence(drawing: Browser, text: str, says: str) -> None:
    paste(drawing, text)
    assert says in drawing.run("$('told-given').textContent")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("state.items[0].name = 'North Gate'", "lower-case letters"),
        ("add('zones', [[0,0],[1,1],[1,0],[0,1]])", "crosses itself"),
        ("add('bays', [[0,0],[.5,.5],[1,1]])", "enclose nothing"),
        ("add('zones', [[0,0],[1,0],[1,1]]); state.items[1].name = 'line-1'", "has this name already"),
        ("state.items[0].classes = []", "nothing is chosen"),
        ("state.items[0].spots[1] = [...state.items[0].spots[0]]", "two different ends"),
        ("state.items = []", "nothing is drawn"),
    ],
)
def test_nothing_comes_out_that_the_gateway_would_refuse(drawing: Browser, script: str, says: str) -> None:
    drawing.run("add('lines', [[.5,.8],[.5,.2]])")
    drawing.run(f"{script}; changed(true)")
    assert says in drawing.run("$('faults').textContent")
    assert not drawing.run("$('toml').value")
    assert drawing.run("$('copy').disabled && $('save').disabled")


def test_a_still_of_another_shape_is_a_fault_until_somebody_has_looked(
    drawing: Browser, tmp_path: Path
) -> None:
    paste(drawing, GIVEN, "square")
    drawing.give("file", still(tmp_path / "wide.png", 640, 360))
    settle(drawing, "state.still[1] === 360")
    assert "640 x 480, and this still is 640 x 360: another shape" in drawing.run("$('odd').textContent")
    assert not drawing.run("$('toml').value")
    drawing.run("$('adopt').click()")
    assert toml(drawing)["link"]["square"]["picture"] == [640, 360]
    drawing.give("file", still(tmp_path / "large.png", 1280, 720))
    settle(drawing, "state.still[1] === 720")
    assert toml(drawing)["link"]["square"]["picture"] == [1280, 720], "a larger one of that shape is none"


def test_a_camera_of_the_laptop_gives_a_still_and_is_let_go(drawing: Browser) -> None:
    drawing.run("$('usb').click()")
    settle(drawing, "$('preview').videoWidth && $('lens').options.length")
    drawing.run("$('snap').click()")
    settle(drawing, "state.still[0] !== 640 || state.still[1] !== 480 || !stills.stream")
    size = drawing.run("state.still")
    assert min(size) > 0
    assert drawing.run("stills.stream === null && $('live').hidden")
    drawing.run("add('lines', [[.5,.8],[.5,.2]])")
    assert toml(drawing)["link"]["camera"]["picture"] == size


def test_the_page_fetches_nothing_and_could_not(drawing: Browser) -> None:
    drawing.run("add('lines', [[.5,.8],[.5,.2]])")
    assert [one for one in drawing.requests if not one.startswith(("file:", "blob:", "data:"))] == []
    assert [one for one in drawing.troubles if "beforeunload" not in one] == []
    drawing.troubles.clear()
    for script in (
        "fetch('http://127.0.0.1:9/').then(() => 'went', error => error.name)",
        "new Promise(done => { const one = new Image(); one.onload = () => done('went');"
        " one.onerror = () => done('TypeError'); one.src = 'http://127.0.0.1:9/x.png'; })",
        "new Promise(done => { try { const one = new WebSocket('ws://127.0.0.1:9/');"
        " one.onerror = () => done('TypeError'); one.onopen = () => done('went'); }"
        " catch (error) { done('TypeError'); } })",
    ):
        assert drawing.run(script) == "TypeError"
    drawing.run("1")
    assert all("Content Security Policy" in one for one in drawing.troubles), drawing.troubles
    assert len(drawing.troubles) >= 3
    assert "http" not in page().replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_every_control_has_a_name_and_every_word_can_be_read(drawing: Browser) -> None:
    drawing.run("add('lines', [[.5,.8],[.5,.2]]); add('zones', [[.1,.1],[.4,.1],[.4,.4]])")
    drawing.run("for (const one of document.querySelectorAll('details')) one.open = true")
    controls = {"button", "textbox", "checkbox", "radio", "combobox", "spinbutton", "group", "radiogroup"}
    nodes = drawing.ask("Accessibility.getFullAXTree")["nodes"]
    seen = [one for one in nodes if not one["ignored"] and one["role"]["value"] in controls]
    nameless = [one for one in seen if not one.get("name", {}).get("value")]
    assert len(seen) > 40
    assert [one["role"]["value"] for one in nameless if one["role"]["value"] != "group"] == []
    assert drawing.run(_CONTRAST) >= 4.5


_CONTRAST = """(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => parts(text).slice(0, 3).map((x) => x / 255)
    .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, n) => sum + x * [0.2126, 0.7152, 0.0722][n], 0);
  const behind = (one) => {
    const own = getComputedStyle(one).backgroundColor;
    if (parts(own)[3] !== 0) return own;
    return one.parentElement ? behind(one.parentElement) : 'rgb(255,255,255)';
  };
  const words = [...document.querySelectorAll('body *')].filter((one) => !one.closest('svg')
    && one.offsetParent && !one.disabled
    && [...one.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return Math.min(...words.map((one) => {
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})()"""


def test_the_page_is_given_out_and_another_file_is_not_written_over(tmp_path: Path, capsys: Screen) -> None:
    assert main(["draw", "-"]) == 0
    assert capsys.readouterr().out == page()
    for _ in range(2):
        assert main(["draw", str(tmp_path / "draw.html")]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / "draw.html")
    (tmp_path / "mine.html").write_text("mine", encoding="utf-8")
    assert main(["draw", str(tmp_path / "mine.html")]) == 2
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == "mine"
