"""Whatever befalls what looks at pictures, the city is told, and nothing else is disturbed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import av
import pytest
from msgspec.structs import replace

from pipelines.vision.models.bundle import read, write
from tests.faults.cameras import scene, train
from tests.faults.site import until
from tests.pipelines.vision.clips import HEIGHT, WIDTH, clip, picture

RIGHT = "square.gate.person_to_right"


def quality(body: dict[str, Any], point: str = RIGHT) -> dict[str, Any]:
    """Give the mark of one point in a batch."""
    found: dict[str, Any] = body.get("x", {}).get(point, {"q": "ok"})
    return found


def film(folder: Path) -> Path:
    return clip(folder / "train.mp4", 30, train)


@pytest.mark.long
def test_a_killed_process_is_back_in_five_seconds_and_only_its_window_is_partial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene(tmp_path, monkeypatch, {"square": (film(tmp_path), "toy", "")}, window="10s") as site:
        site.whole("square-flow", 1)
        [before], batches = site.vision(), len(site.city.bodies("square-flow"))
        until(lambda: 6 < time.time() % 10 < 7, seconds=11, what="a cell that has begun")
        os.kill(before, signal.SIGKILL)
        until(lambda: before not in site.vision(), seconds=2, what="its end")
        took = until(lambda: bool(site.vision()), seconds=5, what="another process")
        until(lambda: site.figures("square").get("sight") == "ok", seconds=5 - took, what="counting")
        site.whole("square-flow", 2)
        told = site.city.bodies("square-flow")[batches:]
        energy = site.city.bodies("energy")
        [plant] = [one for one in site.daemon.status()["links"] if one["name"] == "plant"]
        log = site.daemon.log.read_text()
        birth = site.city.bodies("square-flow", "birth")[-1]
        others = site.city.bodies("energy", "birth")
    marks = [quality(one) for one in told]
    assert [one["q"] for one in marks].count("partial") == 1
    hurt = next(one for one in marks if one["q"] == "partial")
    assert hurt["why"] == "vision_gone"
    assert 0 < hurt["cov"] < 1
    assert plant["runs"] == 1
    cage = birth["cages"]["square"]
    assert {"disk:/tmp", "exec", "memfd", "udp", "tcp", "bytes"} <= set(cage["refused"])
    assert "worked" not in cage
    assert cage["sha256"] == read(tmp_path / "state" / "models" / "toy.citymodel").manifest.sha256
    assert all("cages" not in one for one in others)
    assert all("x" not in one for one in energy[1:])
    assert [one["s"] for one in energy] == list(range(energy[0]["s"], energy[0]["s"] + len(energy)))
    assert "citygate-vision was ended by SIGKILL" in log
    assert "Traceback" not in log


def stream(folder: Path, *sizes: tuple[int, int]) -> Path:
    """Write pictures one after the other as a camera sends MJPEG; the size changes in mid-play."""
    whole = folder / f"{'-'.join(f'{wide}x{high}' for wide, high in sizes)}.mjpeg"
    with whole.open("wb") as file:
        for number, (wide, high) in enumerate(sizes):
            part = folder / f"{number}.mjpeg"
            with av.open(str(part), "w", format="mjpeg") as container:
                out = container.add_stream("mjpeg", rate=25)
                out.width, out.height, out.pix_fmt = wide, high, "yuvj420p"
                for frame in range(100):
                    pixels = picture(train(frame // 5))[: min(high, HEIGHT), : min(wide, WIDTH)]
                    told = av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(wide, high)
                    container.mux(out.encode(told))
                container.mux(out.encode())
            file.write(part.read_bytes())
    return whole


def spoilt(models: Path) -> None:
    """Lay down a bundle whose bytes are damaged, and one with another model than its manifest says."""
    whole = (models / "toy.citymodel").read_bytes()
    (models / "corrupt.citymodel").write_bytes(whole[:-5000] + b"x" * 5000)
    bundle = read(models / "toy.citymodel")
    forged = replace(bundle, manifest=replace(bundle.manifest, sha256="f" * 64))
    write(forged, models / "forged.citymodel")


@pytest.mark.long
def test_each_fault_has_its_sentence_and_the_rest_of_the_gateway_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    good = film(tmp_path)
    cameras = {
        "square": (good, "toy", ""),
        "corrupt": (good, "corrupt", ""),
        "other": (good, "toy", f'model_sha256 = "{"0" * 64}"'),
        "forged": (good, "forged", ""),
        "unreadable": (text, "toy", ""),
        "grown": (stream(tmp_path, (WIDTH, HEIGHT), (2 * WIDTH, 2 * HEIGHT)), "toy", ""),
        "reshaped": (stream(tmp_path, (WIDTH, HEIGHT), (WIDTH, HEIGHT // 2)), "toy", ""),
    }
    sights: dict[str, set[str]] = {name: set() for name in cameras}
    with scene(tmp_path, monkeypatch, cameras, spoil=spoilt) as site:

        def told() -> bool:
            for name, seen in sights.items():
                seen.add(str(site.figures(name).get("sight", "")))
            return "reshaped" in sights["reshaped"] and "ok" in sights["grown"]

        until(told, seconds=20, what="a word for the stream of another shape")
        site.whole("square-flow", 1)
        site.whole("energy", 2)
        troubles = {name: site.figures(name).get("trouble", "") for name in cameras}
        log = site.daemon.log.read_text()
    assert troubles["square"] == ""
    assert "its model is damaged" in troubles["corrupt"]
    assert "its model is damaged" in troubles["forged"]
    assert "is not the one that `model_sha256` names" in troubles["other"]
    assert "cannot be read as a video" in troubles["unreadable"]
    assert "has another shape than the lines were drawn for" in log
    assert "reshaped" not in sights["grown"]  # another size of the same shape changes nothing
    assert "Traceback" not in log
