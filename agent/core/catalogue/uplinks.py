"""Lines about brokers and what they think of us."""

from __future__ import annotations

from logging import CRITICAL, ERROR, INFO, WARNING
from typing import Final

from agent.core.catalogue.entry import Entry
from agent.core.errors import ClockError, UplinkError

UPLINK_FAILED: Final = Entry(
    code="uplink-failed",
    level=WARNING,
    text="%s failed: %s%s",
    title="The broker of @RECIPIENT@ cannot be used just now",
    matters="Nothing is lost: what is for it waits in the outbox, as long as its cap and the grant's keep "
    "allow, and is sent when the broker is back.",
    act="The line says what is wrong: name, address, certificate, password. `citygate doctor` looks at "
    "names and at the life of certificates.",
    error=UplinkError,
)
CLOCK_BLOCKS: Final = Entry(
    code="uplink-clock",
    level=ERROR,
    text="%s failed: %s%s",
    title="The clock makes the certificate of @RECIPIENT@'s broker look wrong",
    matters="Without a clock that is right, no certificate can be judged, and none is taken on trust. Data "
    "wait in the outbox; as soon as the clock is synchronised the broker is reached, at most a minute later.",
    act="Do not touch the certificate. `timedatectl` tells whether a time server is reached: is UDP port 123 "
    "open, is one set? `citygate doctor` looks at the clock.",
    error=ClockError,
)
UPLINK_CONNECTED: Final = Entry(
    code="uplink-connected",
    level=INFO,
    text="%s: connected to %s",
    title="Connected to the broker of @RECIPIENT@",
    matters="What waited is sent: what is new first, the backlog beside it.",
    act="Nothing.",
)
ROUTE_REFUSED: Final = Entry(
    code="route-refused",
    level=ERROR,
    text="%s: refused by %s: %s; its data wait here",
    title="The broker refuses @ROUTE@",
    matters="Data of this route wait in the outbox and are tried one at a time; they are dropped, and that "
    "is declared, only when cap or keep is reached.",
    act="Whoever runs the broker must let this user write the topic: `citygate policy export ./out` writes "
    "its access list. `citygate why @PRODUCT@ @RECIPIENT@` tells whether it helped.",
)
ROUTE_HELD: Final = Entry(
    code="route-held",
    level=WARNING,
    text="%s: nobody has subscribed at %s; its data wait here",
    title="Nobody has subscribed to @ROUTE@",
    matters="The broker would drop the messages, so they wait in the outbox.",
    act="Start the city's subscriber. If delivery without a reader is meant, set on_no_subscriber so.",
)
ROUTE_ACCEPTED: Final = Entry(
    code="route-accepted",
    level=INFO,
    text="%s: accepted again; what waited follows",
    title="The broker takes @ROUTE@ again",
    matters="What waited is sent.",
    act="Nothing.",
)
OWN_REFUSED: Final = Entry(
    code="own-refused",
    level=ERROR,
    text="%s: %s refuses %s: %s",
    title="The broker of @RECIPIENT@ refuses a birth or status message",
    matters="Figures may still arrive, but whoever reads them lacks the description of the points, or does "
    "not hear whether the gateway lives.",
    act="The broker's access list must allow this topic too: `citygate policy export ./out` writes it.",
)
PAIR_REFUSED: Final = Entry(
    code="pair-refused",
    level=ERROR,
    text="%s: %s; the last good one stays in use",
    title="The new certificate for @RECIPIENT@ cannot be used",
    matters="Nothing is lost: the old certificate serves until it expires, and is forgotten at a restart.",
    act="Put a certificate and the key that belongs to it in place; they are looked at again by themselves.",
)
PAIR_RENEWED: Final = Entry(
    code="pair-renewed",
    level=INFO,
    text="%s: the certificate files have changed; connecting with the new ones",
    title="The certificate for @RECIPIENT@ was renewed",
    matters="The connection is made anew; what was under way is answered first.",
    act="Nothing.",
)
TAKEN_OVER: Final = Entry(
    code="taken-over",
    level=CRITICAL,
    text="%s: %s",
    title="Another client uses this gateway's client id at @RECIPIENT@",
    matters="Two clients with one id throw each other out for ever, so this one stays away: nothing is sent "
    "there until a person acts. Data wait in the outbox.",
    act="Two gateways with the same city, site and gateway name, or one that was copied? Correct one of "
    "them, then `systemctl reload citygate`.",
)
BLIND_TO_REFUSALS: Final = Entry(
    code="blind-to-refusals",
    level=WARNING,
    text="%s: MQTT 3.1.1 does not tell refusals; what the broker drops is lost",
    title="@RECIPIENT@ is reached by MQTT 3.1.1",
    matters="A broker that refuses a topic drops its messages without a word; no gap can be declared.",
    act="Use a broker with MQTT 5 and remove `mqtt`, or see to it that its access list lets everything in.",
)
COMMAND_OBEYED: Final = Entry(
    code="command-obeyed",
    level=INFO,
    text="%s asked: %s",
    title="@RECIPIENT@ asked for messages once more, or for the births",
    matters="Only what that recipient has had already is sent, and the ledger keeps the question's answer.",
    act="Nothing. To allow it no longer, take `commands` out of the recipient.",
)
COMMAND_REFUSED: Final = Entry(
    code="command-refused",
    level=WARNING,
    text="%s: a command to %s was refused: %s",
    title="A command of @RECIPIENT@ was refused",
    matters="Nothing was done. The answer says why, unless commands come faster than they are read.",
    act="Somebody writes to the gateway's command topic what is none, or asks for what is not theirs: the "
    "broker's log says who. The words are explained in the description of the native format.",
)
COMMANDS_DEAF: Final = Entry(
    code="commands-deaf",
    level=WARNING,
    text="%s: commands cannot be heard: %s; everything else goes on",
    title="The broker of @RECIPIENT@ does not let the gateway read its command topic",
    matters="Figures are sent as before; a replay or a rebirth cannot be asked for.",
    act="The broker's access list must allow it: `citygate policy export ./out` writes it.",
)
MESSAGE_IMPOSSIBLE: Final = Entry(
    code="message-impossible",
    level=ERROR,
    text="%s: %s",
    title="A message cannot be written as an MQTT packet",
    matters="No broker could take it, so its route counts as refused; its data wait in the outbox.",
    act="Most often a template or a name makes a topic that MQTT does not allow: `citygate check` shows the "
    "topics. Correct it and reload.",
)
