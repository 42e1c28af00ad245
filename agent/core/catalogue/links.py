"""Lines about links, their devices and what drivers meet."""

from __future__ import annotations

from logging import ERROR, INFO, WARNING
from typing import Final

from agent.core.catalogue.entry import Entry
from agent.core.errors import ConfigError, DriverError

LINK_FAILED: Final = Entry(
    code="link-failed",
    level=WARNING,
    text="%s failed: %s%s",
    title="@SERVICE@ failed and is tried again",
    matters="Nothing is read over this link until it works again; windows of that time say no_data and why. "
    "It is tried again for ever, after a second at first and after some ten seconds at most, and its "
    "recovery is told.",
    act="Look whether the other end has power and can be reached at the configured address; "
    "`citygate status` tells since when and what was heard last.",
    error=DriverError,
)
NEEDS_A_PERSON: Final = Entry(
    code="service-needs-a-person",
    level=ERROR,
    text="%s failed: %s%s",
    title="@SERVICE@ cannot work as it is configured",
    matters="It is tried again, but no attempt can succeed before somebody puts the configuration or a "
    "credential right; nothing comes of it until then.",
    act="Correct what the line names, then `citygate check` and `systemctl reload citygate`.",
    error=ConfigError,
)
SERVICE_WORKS: Final = Entry(
    code="service-works",
    level=INFO,
    text="%s works again after %s and %s",
    title="@SERVICE@ works again",
    matters="What it had to read or to send goes on; what waited in the outbox is sent.",
    act="Nothing. If it comes and goes, look for a loose cable or a weak network.",
)
SERVICE_CRASHED: Final = Entry(
    code="service-crashed",
    level=ERROR,
    text="%s crashed, which is a fault of this program: %s; next try in %s",
    title="@SERVICE@ crashed by a fault of this program",
    matters="It is started again. Five crashes within ten minutes end the process, and systemd starts it "
    "afresh; what lies in the outbox stays.",
    act="Report it with the lines that follow: `citygate support` packs what is needed, without secrets.",
)
SERVICE_STUCK: Final = Entry(
    code="service-stuck",
    level=ERROR,
    text="%s did not stop within %s",
    title="@SERVICE@ does not stop",
    matters="It was told to end and holds on; another may be started in its place, and a serial port may "
    "stay taken until the gateway is started again.",
    act="`systemctl restart citygate`; report it if it happens again.",
)
SERVICE_FINISHED: Final = Entry(
    code="service-finished",
    level=INFO,
    text="%s has finished",
    title="@SERVICE@ came to its own end",
    matters="It has nothing more to do and is not started again before a reload changes it.",
    act="Nothing, if this was expected: a recorded clip has an end.",
)
DRIVER_LIES: Final = Entry(
    code="driver-lies",
    level=ERROR,
    text="link %s gave %s (%s): a fault of its driver; repeats are not told",
    title="The driver of @LINK@ gave what cannot be true",
    matters="What it gave is dropped or marked as bad, so nothing wrong is published; the point may stay "
    "without values.",
    act="Report it to whoever wrote the driver, with `citygate support`.",
)
DEVICE_SILENT: Final = Entry(
    code="device-silent",
    level=WARNING,
    text="%s is silent: %s on %s%s",
    title="@DEVICE@ does not answer on @LINK@",
    matters="Its points have no values until it answers; windows of that time say no_data. It is asked "
    "again, ever more rarely, and its return is told.",
    act="Check its power, cable and unit number, then `citygate read @DEVICE@`. "
    "`citygate scan` finds a device that has another number now.",
)
DEVICE_FAULTY: Final = Entry(
    code="device-faulty",
    level=WARNING,
    text="%s answers on %s, but gives no good value: %s%s",
    title="@DEVICE@ answers on @LINK@, but with nothing that can be used",
    matters="Its points are bad, so their windows say no_data. Line and device work: what is asked does not "
    "fit the device.",
    act="See with `citygate read @DEVICE@` which points fail; is it the device that its profile is for?",
)
DEVICE_ANSWERS: Final = Entry(
    code="device-answers",
    level=INFO,
    text="%s answers again after %s%s",
    title="@DEVICE@ answers again on @LINK@",
    matters="Its points have values again.",
    act="Nothing. If it comes and goes, look for a loose cable or too many devices on the line.",
)
DEVICE_TROUBLE: Final = Entry(
    code="device-trouble",
    level=WARNING,
    text="device %s: %s",
    title="@DEVICE@ cannot be told apart, or is not where it was",
    matters="It is not read until it is clear which device is meant, so that no value of another one is "
    "taken for its own.",
    act="The line says what was heard; `citygate scan bacnet` lists who answers with which instance.",
)
LINE_OVERLOADED: Final = Entry(
    code="line-overloaded",
    level=WARNING,
    text="the line carries less than is asked of it: %s is read less often than every %g s; "
    "raise `every` or spread the devices over more links",
    title="A line carries less than is asked of it",
    matters="Points are read later than configured; means of windows rest on fewer samples.",
    act="`citygate plan` shows the share of the line that each device takes: raise `every`, or part them.",
)
LINE_CARRIES: Final = Entry(
    code="line-carries",
    level=INFO,
    text="the line carries again what is asked of it",
    title="A line carries again what is asked of it",
    matters="Points are read as often as configured.",
    act="Nothing.",
)
HEARD_WRONG: Final = Entry(
    code="heard-wrong",
    level=WARNING,
    text="%s: %s",
    title="What comes over a serial line is not what is expected",
    matters="Bytes come, but no value can be made of them.",
    act="The line says what speaks for which setting; compare baud rate and frame with the device's manual.",
)
CAMERA_TROUBLE: Final = Entry(
    code="camera-trouble",
    level=WARNING,
    text="camera %s: %s",
    title="Camera @LINK@ is not counted as it should be",
    matters="Nothing is counted, or what is counted is marked as doubtful, and the coverage of its windows "
    "says for how long. A count that nobody could make is never zero.",
    act="Do what the line says; `citygate status` shows it until it is well.",
)
CAMERA_WELL: Final = Entry(
    code="camera-well",
    level=INFO,
    text="camera %s: %s",
    title="Camera @LINK@ is counted again",
    matters="Its counts are whole again from the next cell on.",
    act="Nothing.",
)
NOTE_DAMAGED: Final = Entry(
    code="note-damaged",
    level=WARNING,
    text="the note %s is damaged, so what it held is found out anew: %s",
    title="A note of a driver is damaged",
    matters="Nothing is lost: notes only spare time, such as asking again for registers that are refused.",
    act="Nothing. Often, it speaks for a worn card: `citygate doctor`.",
)
NOTE_USELESS: Final = Entry(
    code="note-useless",
    level=WARNING,
    text="the note %s is of no use, so what it held is learnt anew: %s",
    title="A note of another release cannot be used",
    matters="Nothing is lost: what it held is learnt again within some polls.",
    act="Nothing.",
)
NOTES_UNREADABLE: Final = Entry(
    code="notes-unreadable",
    level=WARNING,
    text="what drivers had found out cannot be read, so they find it out anew",
    title="The notes of the drivers cannot be read",
    matters="Nothing is lost: drivers learn it again, which takes some polls.",
    act="Nothing. Often, it speaks for a worn card: `citygate doctor`.",
)
