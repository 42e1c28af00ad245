"""From what sees pictures only the counts come that the configuration names: other bytes are not believed.

The reader of each camera's records is given what a hostile sender would try: the bytes of a picture, records
that are longer, out of turn, of another time, or with a number that cannot be. It must drop all of them.
"""

from __future__ import annotations

from agent.core.driver import CanBeForged, CanTell
from agent.prove.outcome import Outcome, judged, kept
from agent.prove.scene import Scene


def prove(scene: Scene) -> Outcome:
    """Try to bring something else past the readers."""
    links = [one for one in scene.plan.links if isinstance(one.driver, CanBeForged)]
    if not links:
        return kept("This site has no camera: nothing here sees a picture.")
    faults, told = [], []
    for link in links:
        assert isinstance(link.driver, CanBeForged)
        tried, believed = link.driver.forged()
        faults += [f"{link.name} believed {one}." for one in believed]
        told.append(f"{link.name}: {tried} kinds of forged records were dropped.")
        told += [f"{fact}." for fact in (link.driver.facts() if isinstance(link.driver, CanTell) else ())]
    return judged(faults, *told)
