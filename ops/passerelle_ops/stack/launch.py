"""What runs between fork and exec of a supervised process: it never outlives its parent, nor runs PostgreSQL as root.

A program of its own (`python -I -S launch.py …`, standard library only), so that the supervisor, which has
threads, never runs Python code in a forked child. It replaces itself with the command, whose pid is thus its own.
Facts: prctl(2), user_namespaces(7), capabilities(7).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS = 1, 8, 28
SECBIT_NO_SETUID_FIXUP = 4
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


_libc = ctypes.CDLL(None, use_errno=True)


def enter_user_namespace(uid: int, gid: int) -> None:
    """Root keeps its files, but is `uid` to whoever asks: PostgreSQL then agrees to start."""
    if _libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{gid} 0 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 10 ms here
            file.write(text)


def become(uid: int, gid: int) -> None:
    """Leave root for `uid`, keeping the right to pass through folders that only root may enter.

    That one capability (read and search; where root lacks it, override) is what lets the binaries and the
    data stay where they are when a folder above them is 0700. Without either, plain `uid` it is.
    """
    os.setgroups([])
    # Not only for the capability to outlive the change: without it access(2), by which PostgreSQL looks for its
    # own programs, would disregard the capability of whoever is not root.
    _libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    _libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if _keep_only(1 << capability):
            _libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
            return
    if not _keep_only(0):
        raise OSError(ctypes.get_errno(), "capset")


def _keep_only(bits: int) -> bool:
    header = _Header(_CAPABILITY_VERSION_3, 0)
    data = (_Data * 2)(_Data(bits, bits, bits), _Data(0, 0, 0))
    return bool(_libc.capset(ctypes.byref(header), data) == 0)


def die_with(parent: int, with_signal: int, watch: int | None) -> None:
    """See to it that `with_signal` reaches this process when `parent` ends, be it by SIGKILL."""
    if sys.platform == "linux" and watch is None:
        _libc.prctl(PR_SET_PDEATHSIG, with_signal)
        if os.getppid() != parent:  # it ended before prctl
            sys.exit(1)
        return
    if watch is not None:
        _watch(watch, with_signal)


def _watch(pipe: int, with_signal: int) -> None:
    """Where the kernel has no parent-death signal: a child of ours waits for the end of the parent's pipe."""
    target = os.getpid()
    if os.fork() != 0:
        os.close(pipe)
        return
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.getppid() == target:
        if select.select([pipe], [], [], 1.0)[0]:
            if os.getppid() == target:
                os.kill(target, with_signal)
            break
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--mode", choices=("plain", "userns", "nobody"), default="plain")
    parser.add_argument("--uid", type=int, default=0)
    parser.add_argument("--gid", type=int, default=0)
    parser.add_argument("--watch", type=int, help="pipe whose end means that the parent has ended")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    if given.mode == "userns":
        enter_user_namespace(given.uid, given.gid)
    elif given.mode == "nobody":
        become(given.uid, given.gid)
    die_with(given.parent, given.signal, given.watch)  # last: a change of user clears it
    os.execv(given.command[0], given.command)  # noqa: S606 - replacing itself is its purpose


if __name__ == "__main__":
    main()
