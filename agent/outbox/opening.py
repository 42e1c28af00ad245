"""Opens the outbox; a damaged one is moved aside, and what can be saved of it goes into a new one.

It refuses to open a file that was found to be damaged, whatever became of the process that found it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.core.catalogue.store import OUTBOX_DAMAGED
from agent.outbox.epochfile import sync_folder, write_safely
from agent.outbox.schema import PAGE
from agent.outbox.store import DamagedError, Store
from agent.outbox.work import Opening

log = logging.getLogger(__name__)

_ASIDE: Final = "aside"


def open_or_salvage(
    store: Store, new_lid: Callable[[], str], told: Callable[[float], None] = lambda share: None
) -> Opening:
    """Open the outbox; if it is damaged, or was found to be, save what can be saved first.

    That takes minutes with a large file on a slow card: *told* hears again and again how far it has come.
    """
    store.lock()
    mark = store.damage_mark
    try:
        if not mark.exists():
            return store.open(new_lid)
    except DamagedError as error:
        OUTBOX_DAMAGED.tell(log, error)
        store.disconnect()
        write_safely(mark, "found")
    old = _move_aside(store.path, mark, store.most_pages)
    if old is not None:
        from agent.outbox.salvage import salvage  # the largest part of an outbox, and hardly ever needed

        salvage(store, old, new_lid, told)
        store.disconnect()
    mark.unlink()
    sync_folder(store.path.parent)
    return store.open(new_lid)


def _move_aside(path: Path, mark: Path, most: int) -> Path | None:
    """Give the damaged file a name of its own; a salvage that was interrupted is begun anew."""
    old = path.with_name(path.name + ".damaged")
    if mark.read_text("ascii", errors="replace") == _ASIDE:
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    else:
        for end in ("-wal", "-shm", ""):
            source, target = path.with_name(path.name + end), old.with_name(old.name + end)
            target.unlink(missing_ok=True)
            if source.exists():
                source.replace(target)
        sync_folder(path.parent)
        write_safely(mark, _ASIDE)
    if not old.exists():
        return None
    _fill_up(old, most)
    return old


def _fill_up(path: Path, most: int) -> None:
    """Put zeros where the end was cut off: SQLite reads nothing of a file that is shorter than it says.

    Where it says that it has more than the *most* pages that it may have, its own length is written there.
    """
    with path.open("r+b") as file:
        head, size = file.read(100), path.stat().st_size
        pages = int.from_bytes(head[28:32], "big") if len(head) == 100 else 0
        if pages > most:
            file.seek(28)
            file.write((size // PAGE).to_bytes(4, "big"))
        elif size < pages * PAGE:
            file.truncate(pages * PAGE)
