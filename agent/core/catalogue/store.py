"""Lines about the outbox, the disk under it, and what products remember."""

from __future__ import annotations

from logging import ERROR, INFO, WARNING
from typing import Final

from agent.core.catalogue.entry import Entry
from agent.core.errors import OutboxError

SERVICE_FAILED: Final = Entry(
    code="service-failed",
    level=ERROR,
    text="%s failed: %s%s",
    title="@SERVICE@ failed and is tried again",
    matters="The gateway needs it for itself: without the outbox's disk nothing new is safe from a power "
    "cut, without the control socket no command can ask.",
    act="`citygate doctor` looks at disk, space and permissions.",
    error=OutboxError,
)
DISK_FAILS: Final = Entry(
    code="disk-fails",
    level=ERROR,
    text="the outbox keeps new messages in memory: %s",
    title="The disk under the outbox takes no writes",
    matters="Messages are made and sent, but what waits would be lost in a power cut. When memory for them "
    "is full, the oldest are dropped, and that is declared.",
    act="Free space (`df -h /var/lib/citygate`); a card that says read-only or I/O error is worn out: "
    "replace it. `citygate doctor` tells how worn it is.",
    error=OutboxError,
)
DISK_WORKS: Final = Entry(
    code="disk-works",
    level=INFO,
    text="the outbox writes to disk again",
    title="The disk under the outbox takes writes again",
    matters="What was kept in memory is on disk now.",
    act="Nothing, if the disk was full; if it failed, replace it soon.",
)
DISK_HAS_ROOM: Final = Entry(
    code="disk-has-room",
    level=INFO,
    text="the disk under the outbox has room again",
    title="The disk under the outbox has room again",
    matters="The reserve for hard times is whole again.",
    act="Nothing.",
)
EPOCH_NOT_KEPT: Final = Entry(
    code="epoch-not-kept",
    level=WARNING,
    text="the number of this start could not be kept beside the outbox: %s",
    title="The number of this start could not be kept beside the outbox",
    matters="The outbox itself has it. Only if that file were lost too, receivers could take new messages "
    "for old ones.",
    act="Is the disk full? `df -h /var/lib/citygate`.",
)
NOT_CLOSED: Final = Entry(
    code="outbox-not-closed",
    level=WARNING,
    text="the outbox did not close in order: %s",
    title="The outbox did not close in order",
    matters="The next start looks the file over and goes on; nothing that was reported as kept is lost.",
    act="Nothing. Often, it speaks for a worn card: `citygate doctor`.",
)
NO_HEADS: Final = Entry(
    code="no-heads",
    level=WARNING,
    text="witnesses get no heads of the ledger: %s",
    title="The head of the ledger cannot be signed",
    matters="Figures are sent as before, but nobody outside can witness the ledger meanwhile.",
    act="The line says what is missing: the key in the state folder, or openssl.",
)
OUTBOX_DAMAGED: Final = Entry(
    code="outbox-damaged",
    level=ERROR,
    text="%s",
    title="The outbox is damaged",
    matters="What is sound is copied into a new file before anything else happens; what is not is declared "
    "as a gap to each recipient. Some hundred megabytes take minutes; `systemctl status citygate` says how "
    "far it is.",
    act="Replace the card or disk soon: it has lost data. `citygate ledger verify` looks at the new file.",
    error=OutboxError,
)
OUTBOX_SALVAGED: Final = Entry(
    code="outbox-salvaged",
    level=ERROR,
    text="the outbox was damaged: %d rows were saved; the old file is %s",
    title="What was sound in a damaged outbox has been saved",
    matters="The gateway goes on with a new ledger; rows that could not be saved are declared as gaps.",
    act="Keep the old file if the ledger of that time matters, else remove it. Replace the card soon.",
)
SALVAGE_ENDS: Final = Entry(
    code="salvage-ends",
    level=ERROR,
    text="%s: %s",
    title="A part of a damaged outbox could not be saved",
    matters="What could not be read is declared as a gap to each recipient.",
    act="Keep the old file if that data matters; replace the card or disk.",
)
CELLS_LOST: Final = Entry(
    code="cells-lost",
    level=WARNING,
    text="%s: the cells it held are lost, what was saved cannot be used: %s",
    title="Small counts that @PRODUCT@ held back are lost",
    matters="They waited to be told together; their windows are told as having no data.",
    act="Nothing. After a change of the product's settings it happens once.",
)
STEP_ANEW: Final = Entry(
    code="step-anew",
    level=WARNING,
    text="%s starts afresh, because %s",
    title="A step starts without what it had remembered",
    matters="The first figure of a counter, or a first event, may be missing.",
    act="Nothing. After a change of the product's steps it happens once.",
)
