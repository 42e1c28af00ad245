#!/bin/bash
# Boots a real systemd over an overlay of this machine's own root; nothing outside the overlay is written. Each unit in
# UNITS (pairs of *.service and *.socket) is started by a connection that sends PLAN; what is heard goes to OUT.
#   boot.sh UNITS PLAN SITE-PACKAGES SOURCE FILES OUT
set -e
units=$1 plan=$2 packages=$3 source=$4 files=$5 out=$6
dir=$(mktemp -d); trap 'umount "$dir/r" "$dir" 2>/dev/null; rmdir "$dir"' EXIT
mount -t tmpfs -o size=400m tmpfs "$dir"; mkdir "$dir"/{u,w,r}
mount -t overlay overlay -o lowerdir=/,upperdir="$dir/u",workdir="$dir/w" "$dir/r"
r=$dir/r; sys=$r/etc/systemd/system
for one in mosquitto console-getty systemd-logind e2scrub_reap; do ln -sf /dev/null "$sys/$one.service"; done
mkdir -p "$r"/opt/citygate/{packages,source,files}
cp -r "$units"/* "$sys/"; cp "$plan" "$r/opt/citygate/plan.json"; cp -r "$files"/* "$r/opt/citygate/files/"
cat > "$r/hear.py" <<'P'
import os, socket, struct, subprocess, sys, time
for name in sorted(one[:-7] for one in os.listdir("/etc/systemd/system") if one.startswith("v-") and one.endswith(".socket")):
    subprocess.run(["systemctl", "start", f"{name}.socket"])
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.settimeout(40)
    line.connect(f"/run/{name}.sock")
    line.send(open("/opt/citygate/plan.json", "rb").read())
    heard = []
    try:
        while len(heard) < 12 and (packet := line.recv(64)):
            heard.append(list(struct.unpack("<BBHIIIQQ", packet)[1:6:1]))
    except (TimeoutError, ConnectionResetError) as error:
        heard.append(type(error).__name__)
    show = lambda what: subprocess.run(["systemctl", "show", name, "-p", what, "--value"], capture_output=True, text=True).stdout.strip()
    status, until = show("StatusText"), time.monotonic() + 5
    while len(heard) < 12 and show("ActiveState") not in ("failed", "inactive") and time.monotonic() < until:
        time.sleep(0.1)
    ended = show("ExecMainStatus")
    line.close()
    subprocess.run(["systemctl", "stop", f"{name}.socket", f"{name}.service"])
    print(repr({"unit": name, "heard": heard, "status": status, "exit": ended}), flush=True)
    if not heard:
        print(subprocess.run(["journalctl", "-u", name, "-o", "cat", "-n", "15"], capture_output=True, text=True).stdout, file=sys.stderr)
P
cat > "$r/probe.sh" <<'P'
ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v0
ip link set v0 up; ip link set v1 up; ip route add default dev v0
python3 /hear.py
echo DONE
P
cat > "$sys/probe.service" <<'U'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/bash /probe.sh
ExecStopPost=/bin/systemctl --force poweroff
StandardOutput=file:/probe.out
StandardError=file:/probe.err
U
mkdir -p "$sys/multi-user.target.wants"; ln -sf ../probe.service "$sys/multi-user.target.wants/probe.service"
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout 240 systemd-nspawn -q -D "$r" --boot --register=no --keep-unit \
  --private-network --capability=all \
  --system-call-filter="bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
  --bind-ro="$packages:/opt/citygate/packages" --bind-ro="$source:/opt/citygate/source" \
  </dev/null > "$dir/console.log" 2>&1 || true
cp "$r/probe.out" "$out" 2>/dev/null || { tail -30 "$dir/console.log"; exit 1; }
cat "$r/probe.err" >&2
