# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that end when the script ends"""

import ctypes
import os
import signal
import subprocess
from typing import List

from .errors import Failed

# Seconds that a command, or the start of a process, may take
TIMEOUT = 30

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def search_path():
    """Where tools are, also those that an ordinary user's PATH lacks"""
    return os.environ.get('PATH', os.defpath) + ':/usr/sbin:/sbin'


def environment(**more):
    """That of the script, with the search path above, and MORE"""
    return {**os.environ, 'PATH': search_path(), **more}


def start(args, **options):
    """A process in a session of its own, killed when the script ends"""
    options.setdefault('env', environment())
    try:
        return subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                start_new_session=True,
                                preexec_fn=_die_with_parent, **options)
    except OSError as e:
        raise Failed(f'cannot start {args[0]}: {e.strerror}') from None


def run_tool(args):
    """Run a command that ends soon; its output is in the result"""
    try:
        return subprocess.run(args, text=True, errors='replace',
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=TIMEOUT, check=False, env=environment())
    except OSError as e:
        raise Failed(f'cannot run {args[0]}: {e.strerror}') from None
    except subprocess.TimeoutExpired:
        raise Failed(f'{" ".join(args)} does not end within {TIMEOUT} s') \
            from None


def tail(path: str, lines: int) -> List[str]:
    """The last lines of a log after its first, which is the command"""
    try:
        with open(path, encoding='utf-8', errors='replace') as f:
            return f.read().splitlines()[1:][-lines:]
    except OSError:
        return []


def executable(path: str) -> bool:
    return os.access(path, os.X_OK) and not os.path.isdir(path)
