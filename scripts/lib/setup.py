# SPDX-License-Identifier: GPL-2.0-or-later
"""What demo and bench have in common before they start: getting everything"""

import os
import subprocess
import sys

from migpair import (Failed, Interrupted, Simulator, TOP, find_qmp,
                     run_tool)

PROFILES = os.path.join(TOP, 'tests', 'vfio-sim', 'profiles')


def add_options(parser):
    group = parser.add_argument_group('what to run (default: built here)')
    group.add_argument('--qemu', metavar='BIN',
                       help='a qemu-system-x86_64 with the series')
    group.add_argument('--stock', metavar='BIN',
                       help='the same without it')
    group.add_argument('--sim', metavar='DIR',
                       help='directory that holds the built simulator')


def _build(arg, what, say, out):
    script = os.path.join(TOP, 'scripts', 'build')
    command = ' '.join(filter(None, ['scripts/build', arg]))
    say(f'{what} ({command})')
    try:
        r = subprocess.run([script] + ([arg] if arg else []), check=False,
                           stdout=out)
    except OSError as e:
        raise Failed(f'cannot run {script}: {e}') from None
    if r.returncode:
        raise Failed(f'{command} failed; see its messages above')


def default_base():
    """What ./configure chose"""
    try:
        with open(os.path.join(TOP, 'build', 'base'), encoding='utf-8') as f:
            return f.read().strip()
    except OSError:
        raise Failed('build/base is missing: run ./configure') from None


def _check_qemu(binary):
    if not os.access(binary, os.X_OK) or os.path.isdir(binary):
        raise Failed(f'there is no QEMU {binary}')
    version(binary)


def prepare(args, say, out=None, profile=None, stock=True):
    """
    Fill in args.qemu, args.stock and args.sim (a Simulator), and build what
    is not given.  What takes long comes last: what was given (PROFILE too) is
    checked before.  OUT: where the builds' messages go (default: stdout).
    STOCK: whether args.stock is needed.
    """
    for binary in filter(None, (args.qemu, args.stock,
                                getattr(args, 'peer', None))):
        _check_qemu(binary)
    if not args.sim:
        _build('--sim', 'building the simulated device', say, out)
        args.sim = os.path.join(TOP, 'build', 'sim')
    args.sim = Simulator(args.sim)
    if profile:
        args.sim.check(profile)
    if not args.qemu or (stock and not args.stock):
        if stock:
            _build('--stock', 'getting and building QEMU, with the series '
                   'and without', say, out)
        else:
            _build(None, 'getting and building QEMU', say, out)
        base = os.path.join(TOP, 'build', default_base())
        args.qemu = args.qemu or os.path.join(
            base, 'obj', 'qemu-system-x86_64')
        if stock:
            args.stock = args.stock or os.path.join(
                base, 'stock-obj', 'qemu-system-x86_64')
        for binary in filter(None, (args.qemu, args.stock)):
            _check_qemu(binary)
    find_qmp(args.qemu, args.stock)


def find_profile(name):
    """A path, or the name of a profile that comes with the simulator"""
    for path in (name, os.path.join(PROFILES, name + '.profile'),
                 os.path.join(PROFILES, name)):
        if os.path.isfile(path):
            return path
    known = sorted(f.removesuffix('.profile') for f in (
        os.listdir(PROFILES) if os.path.isdir(PROFILES) else ())
        if f.endswith('.profile'))
    raise Failed(f"there is no profile '{name}': give a file, or one of "
                 + ', '.join(known))


def version(binary):
    """What a binary says that it is: '10.2.2'"""
    r = run_tool([binary, '--version'])
    words = r.stdout.split()
    if 'version' not in words[:-1] or words[0] != 'QEMU':
        raise Failed(f'{binary} is no QEMU: --version says '
                     + ((r.stderr or r.stdout).strip() or 'nothing')
                     .splitlines()[0])
    return words[words.index('version') + 1]


def guarded(name, function):
    """
    function()'s exit status; whatever ends it early is one line on stderr
    """
    try:
        status = function()
        sys.stdout.flush()
        return status
    except Failed as e:
        text, status = f'error: {e}', 1
    except OSError as e:
        # A disk that is full, a pipe that nobody reads
        text, status = f'error: {str(e) or type(e).__name__}', 1
    except (Interrupted, KeyboardInterrupt):
        text, status = 'interrupted', 130
    try:
        sys.stdout.flush()
    except OSError:
        # Or else Python complains again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f'{name}: {text}', file=sys.stderr)
    return status
