"""Judges the computer: kernel, swap, disk, heat, power, clock. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from agent.doctor.facts import Facts
from agent.doctor.finding import Finding, notice, well, wrong

_TIGHT: Final = 100e6
_WORN: Final = 0.8
_HOT: Final = 80.0
_SCARCE: Final = 0.1


def kernel(facts: Facts) -> Iterator[Finding]:
    """Look at what the kernel can enforce."""
    if not facts.has_seccomp:
        says = "it does not filter system calls, so nothing confines gateway and cameras"
        yield wrong("kernel", says, "use a kernel with CONFIG_SECCOMP_FILTER, as every Debian kernel has")
    if not facts.has_landlock:
        says = "it has no Landlock: the process that sees pixels has one lock less, of several"
        yield notice("kernel", says, "nothing has to be done; Raspberry Pi OS has none, Debian's kernels do")
    if facts.controllers is None:
        says = "control groups (v2) are not there: MemoryMax= and TasksMax= of the units do nothing"
        yield notice("kernel", says, "boot with systemd.unified_cgroup_hierarchy=1")
    elif "memory" not in facts.controllers:
        says = "the memory controller is off: MemoryMax= of the units does nothing"
        yield notice("kernel", says, "add cgroup_enable=memory to /boot/firmware/cmdline.txt, and start anew")
    if facts.has_seccomp and facts.has_landlock and "memory" in (facts.controllers or ()):
        yield well("kernel", f"{facts.kernel}: seccomp, Landlock and the memory controller are there")


def swap(facts: Facts) -> Iterator[Finding]:
    """Look whether memory can end up on a disk."""
    if facts.swaps:
        says = f"memory may be written to {', '.join(facts.swaps)}: a picture or a secret could lie there"
        act = "swapoff -a and remove the swap file, or have zram alone; a card also wears by it"
        yield notice("swap", says, act)
    else:
        yield well("swap", "memory is never written to a disk")


def disk(facts: Facts) -> Iterator[Finding]:
    """Look at space, wear and errors under the outbox."""
    where = facts.state
    if facts.read_only:
        act = "a card that turned read-only is worn out: replace it; the outbox can be copied as it is"
        yield wrong("disk", f"the file system under {where} is read-only", act)
    if facts.file_errors:
        says = f"the kernel has counted {facts.file_errors} errors of the file system"
        yield wrong("disk", says, "copy the state folder away, then run fsck, or replace the card")
    if facts.free is None:
        yield notice("disk", f"{where} is not there yet", "it is made when the gateway starts first")
    elif facts.free < _TIGHT:
        says = f"{facts.free / 1e6:.0f} MB are free under {where}"
        yield wrong("disk", says, "remove what is not needed: journalctl --vacuum-size=50M, apt-get clean")
    elif facts.free < facts.cap - facts.used:
        says = (
            f"{facts.free / 1e6:.0f} MB are free under {where}, and the outbox may still grow by "
            f"{(facts.cap - facts.used) / 1e6:.0f} MB"
        )
        yield notice("disk", says, "free space, or set a smaller [outbox] cap")
    else:
        yield well("disk", f"{facts.free / 1e9:.1f} GB are free under {where}")
    yield from _wear(facts.wear)


def _wear(share: float | None) -> Iterator[Finding]:
    if share is None:
        yield well("wear", "this disk does not tell how worn it is; SD cards do not")
    elif share > 1:
        yield wrong("wear", "the card is beyond the life that its maker gives it", "replace it soon")
    elif share >= _WORN:
        yield notice("wear", f"the card has {share:.0%} of its life behind it", "plan to replace it")
    else:
        yield well("wear", f"the card has at most {share:.0%} of its life behind it")


def body(facts: Facts) -> Iterator[Finding]:
    """Look at heat, power and memory."""
    if facts.undervoltage:
        act = "use the power supply that the computer's maker sells, and a short cable"
        yield wrong("power", "the supply is too weak: the kernel reports undervoltage", act)
    if facts.temperature is not None and facts.temperature >= _HOT:
        says = f"the processor has {facts.temperature:.0f} degrees Celsius and slows down"
        yield wrong("heat", says, "give it air or a heat sink; the cabinet may be too hot")
    elif facts.temperature is not None:
        yield well("heat", f"the processor has {facts.temperature:.0f} degrees Celsius")
    if facts.memory is not None:
        total, available = facts.memory
        if available < _SCARCE * total:
            says = f"{available / 1e6:.0f} of {total / 1e6:.0f} MB of memory are available"
            yield wrong("memory", says, "see with `ps -eo rss,args --sort -rss` who takes it")
        else:
            yield well("memory", f"{available / 1e6:.0f} of {total / 1e6:.0f} MB are available")


def clock(facts: Facts) -> Iterator[Finding]:
    """Look whether the time of day can be trusted."""
    told = datetime.fromtimestamp(facts.now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if facts.now < facts.built:
        says = f"it says {told}, which is before this release was made"
        act = (
            "let a time server be reached (UDP port 123, `timedatectl`); until then certificates count as "
            "not valid yet, so brokers with TLS cannot be used"
        )
        yield wrong("clock", says, act)
    elif not facts.synced:
        says = f"it says {told} and is not synchronised: figures leave marked so, and TLS may fail"
        yield wrong("clock", says, "`timedatectl timesync-status`; is UDP port 123 to a time server open?")
    else:
        yield well("clock", f"it is synchronised: {told}")
    if not facts.has_rtc:
        says = "there is no battery-backed clock: after a power cut the hour is unknown until NTP answers"
        act = "samples are kept meanwhile; add a clock module where the network comes late"
        yield notice("clock", says, act)
