"""A gateway that does what it must not, while it is watched: started in the place of the real one."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from agent.prove import watched


def misbehave(control: Path, elsewhere: str) -> None:
    """Listen, call, look up, write and start, once the gateway is there."""
    while not control.exists():
        time.sleep(0.05)
    listener = socket.create_server(("127.0.0.1", 0))
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    caller.connect(("192.0.2.1", 443))  # of a datagram socket: nothing is sent
    socket.gethostbyname("localhost")
    Path(elsewhere).write_text("here", encoding="utf-8")
    subprocess.run(["true"], check=True)
    time.sleep(60)
    listener.close()
    caller.close()


if __name__ == "__main__":
    words = sys.argv[2:]
    threading.Thread(target=misbehave, args=(Path(words[2]), sys.argv[1]), daemon=True).start()
    watched.main(words)
