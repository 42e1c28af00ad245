"""Numbers of system calls on the two kinds of computer that gateways are."""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Machine(Struct, frozen=True):
    """How one kind of computer names itself to the kernel's filter, and its calls."""

    audit: int
    calls: dict[str, int]


def _table(text: str) -> dict[str, int]:
    pairs = (one.split("=") for one in text.split())
    return {name: int(number) for name, number in pairs}


MACHINES: Final[dict[str, Machine]] = {
    "x86_64": Machine(
        0xC000003E,
        _table("""
        open=2 mmap=9 mprotect=10 sendfile=40 socket=41 connect=42 accept=43 sendto=44 sendmsg=46 bind=49
        listen=50 socketpair=53 execve=59 semget=64 msgget=68 shmget=29 truncate=76 ftruncate=77 rename=82
        mkdir=83 rmdir=84 creat=85 link=86 unlink=87 symlink=88 chmod=90 fchmod=91 chown=92 fchown=93
        lchown=94 ptrace=101 utime=132 mknod=133 personality=135 mount=165 init_module=175 setxattr=188
        lsetxattr=189 fsetxattr=190 utimes=235 mq_open=240 kexec_load=246 add_key=248 keyctl=250 openat=257
        mkdirat=258 mknodat=259 fchownat=260 futimesat=261 unlinkat=263 renameat=264 linkat=265
        symlinkat=266 fchmodat=268 unshare=272 splice=275 tee=276 vmsplice=278 utimensat=280 fallocate=285
        accept4=288 perf_event_open=298 open_by_handle_at=304 sendmmsg=307 setns=308 process_vm_readv=310
        process_vm_writev=311 finit_module=313 renameat2=316 seccomp=317 memfd_create=319 bpf=321
        execveat=322 userfaultfd=323 pkey_mprotect=329 pidfd_send_signal=424 io_uring_setup=425
        open_tree=428 move_mount=429 fsopen=430 openat2=437 pidfd_getfd=438 memfd_secret=447 fchmodat2=452
        """),
    ),
    "aarch64": Machine(
        0xC00000B7,
        _table("""
        setxattr=5 lsetxattr=6 fsetxattr=7 mknodat=33 mkdirat=34 unlinkat=35 symlinkat=36 linkat=37
        renameat=38 mount=40 truncate=45 ftruncate=46 fallocate=47 fchmod=52 fchmodat=53 fchownat=54
        fchown=55 openat=56 sendfile=71 vmsplice=75 splice=76 tee=77 utimensat=88 personality=92 unshare=97
        kexec_load=104 init_module=105 ptrace=117 mq_open=180 msgget=186 semget=190 shmget=194 socket=198
        socketpair=199 bind=200 listen=201 accept=202 connect=203 sendto=206 sendmsg=211 add_key=217
        keyctl=219 execve=221 mmap=222 mprotect=226 perf_event_open=241 accept4=242 open_by_handle_at=265
        setns=268 sendmmsg=269 process_vm_readv=270 process_vm_writev=271 finit_module=273 renameat2=276
        seccomp=277 memfd_create=279 bpf=280 execveat=281 userfaultfd=282 pkey_mprotect=288
        pidfd_send_signal=424 io_uring_setup=425 open_tree=428 move_mount=429 fsopen=430 openat2=437
        pidfd_getfd=438 memfd_secret=447 fchmodat2=452
        """),
    ),
}
