"""Lines about the gateway as a whole: its start and end, its files, its clock."""

from __future__ import annotations

from logging import CRITICAL, ERROR, INFO, WARNING
from typing import Final

from agent.core.catalogue.entry import Entry
from agent.core.errors import ConfigError, GatewayError

RUNS: Final = Entry(
    code="runs",
    level=INFO,
    text="citygate %s runs at %s: %s",
    title="The gateway runs",
    matters="The plan is in force; what the line counts was started.",
    act="Nothing. `citygate status` shows how it does.",
)
TALLY_OPENED: Final = Entry(
    code="tally-opened",
    level=INFO,
    text="somebody counts beside link %s: its running totals can be seen on this computer, for %d min",
    title="Running totals of @LINK@ can be seen on this computer for a while",
    matters="Counts of people that no threshold protects are shown to whoever may ask the control socket. "
    "They do not leave, and `citygate report privacy` lists the period.",
    act="Nothing, if somebody of yours runs `citygate validate`. If not, look who may use the socket.",
)
TALLY_ENDED: Final = Entry(
    code="tally-ended",
    level=INFO,
    text="the running totals of link %s have ended",
    title="The running totals of @LINK@ have ended",
    matters="What is counted from now on is seen as the sharing policy says, and not otherwise.",
    act="Nothing.",
)
REFUSES_TO_START: Final = Entry(
    code="refuses-to-start",
    level=ERROR,
    text="the configuration has faults, so the gateway does not start:\n%s",
    title="The configuration has faults, so the gateway does not start",
    matters="Nothing is read and nothing is sent. systemd does not try again: another start would find the "
    "same faults.",
    act="Correct what the report names, `citygate check`, then `systemctl start citygate`.",
    error=ConfigError,
)
OLD_PLAN_STAYS: Final = Entry(
    code="old-plan-stays",
    level=ERROR,
    text="the new configuration has faults, so the old one stays in force:\n%s",
    title="The new configuration has faults, so the old one stays in force",
    matters="Nothing is interrupted, but what was meant to change has not changed. At the next start the "
    "gateway would refuse to run.",
    act="Correct what the report names, `citygate check`, then `systemctl reload citygate`.",
    error=ConfigError,
)
RELOADED: Final = Entry(
    code="reloaded",
    level=INFO,
    text="reloaded: %s",
    title="A new configuration is in force",
    matters="Only what differs was restarted.",
    act="Nothing.",
)
PLAN_WARNING: Final = Entry(
    code="plan-warning",
    level=WARNING,
    text="%s",
    title="The configuration says something that may not be meant",
    matters="The plan is in force; the line says what may come of it.",
    act="`citygate check` says where it stands and what to write.",
)
OUTSIDE_FENCE: Final = Entry(
    code="outside-fence",
    level=ERROR,
    text="%s",
    title="The configuration names an address that the service is kept from",
    matters="The kernel drops what goes there, so the device or broker looks as if it were away. All else "
    "runs.",
    act="`sudo citygate apply` opens the service to what the configuration names, and to nothing else.",
    error=ConfigError,
)
RESTART_NEEDED: Final = Entry(
    code="restart-needed",
    level=WARNING,
    text="the new %s takes effect when the gateway is started again",
    title="A changed setting waits for the next start",
    matters="All else of the new configuration is in force.",
    act="`systemctl restart citygate` when it suits.",
)
STOPPING: Final = Entry(
    code="stopping",
    level=INFO,
    text="stopping: links first, then what is still to be sent",
    title="The gateway stops",
    matters="Open windows are handed to the next run, the outbox is flushed and closed.",
    act="Nothing.",
)
END_NOT_WAITED: Final = Entry(
    code="end-not-waited-for",
    level=ERROR,
    text="the end does not wait for %s; everything is on disk",
    title="A service did not stop, and the gateway ended without it",
    matters="Nothing is lost: the outbox was closed before.",
    act="Report it if it happens again: `citygate support`.",
)
GAVE_UP: Final = Entry(
    code="gave-up",
    level=CRITICAL,
    text="%s",
    title="The gateway ends because it cannot go on",
    matters="systemd starts it again after some seconds, for ever; the next run declares to each recipient "
    "what was lost.",
    act="The line says why. `citygate doctor` looks at disk, permissions and other gateways here.",
    error=GatewayError,
)
CLOCK_UNSYNCHRONISED: Final = Entry(
    code="clock-unsynchronised",
    level=WARNING,
    text="the clock is not synchronised: what is published is marked so from now on",
    title="The clock is not synchronised",
    matters="Figures leave under an hour that may be wrong, and say so. When the clock is right, one time "
    "message per route corrects them. TLS certificates may be refused meanwhile.",
    act="`timedatectl` tells whether a time server is reached; is UDP port 123 open? See `citygate doctor`.",
)
CLOCK_SYNCHRONISED: Final = Entry(
    code="clock-synchronised",
    level=INFO,
    text="the clock is synchronised; the offset of what was published before is told",
    title="The clock is synchronised",
    matters="What was published before is corrected by one time message per route.",
    act="Nothing.",
)
CLOCK_SET: Final = Entry(
    code="clock-set",
    level=WARNING,
    text="the time of day was set %s by %s",
    title="The time of day was set",
    matters="Samples are stamped by a clock that never jumps, so none is lost. Hours that come twice after a "
    "step back are declared as a gap.",
    act="Once after a start without network is normal. Otherwise look at the time service: `timedatectl`.",
)
UNCONFINED: Final = Entry(
    code="unconfined",
    level=WARNING,
    text="%s holds numbers of a citygate-vision that is not confined: it goes to loopback only",
    title="@PRODUCT@ holds counts of a process without a cage",
    matters="Nothing of this product leaves this computer until the gateway is started again.",
    act="Run cameras under citygate-vision.service, and remove `unconfined` from the link.",
)
RATE_USED_UP: Final = Entry(
    code="rate-used-up",
    level=WARNING,
    text="the rate of %s was used up: %d events did not leave by it, and it is told that they did not",
    title="More happened than the grant of @ROUTE@ lets out",
    matters="The recipient got as many events as its grant says, and a gap for the rest. Others are not "
    "concerned.",
    act="Does a threshold flutter? Give it a hysteresis. Else a higher `rate` in the grant is the city's "
    "to decide.",
)
MANAGER_AWAY: Final = Entry(
    code="manager-away",
    level=WARNING,
    text="the service manager %s: %s",
    title="systemd does not listen to status messages",
    matters="The gateway works, but systemctl shows an old status, and the watchdog may start it again.",
    act="Is NotifyAccess=main set? Look at `systemctl cat citygate` for drop-ins that change it.",
)
METRICS_NOT_LEFT: Final = Entry(
    code="metrics-not-left",
    level=WARNING,
    text="the metrics cannot be written to %s: %s; told once",
    title="The file of the metrics cannot be written",
    matters="Whoever watches the gateway by that file sees old values, or none; nothing else is touched.",
    act="The unit may write nowhere but its own folders: add ReadWritePaths= with that folder in a drop-in, "
    "and let the user citygate write there.",
)
