# SPDX-License-Identifier: GPL-2.0-or-later
"""What demo and bench have in common before they start: getting everything"""

import os
import subprocess

from migpair import Failed, Simulator, TOP, find_qmp

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
    say(f'{what} (scripts/build {arg})')
    try:
        r = subprocess.run([script, arg], check=False, stdout=out)
    except OSError as e:
        raise Failed(f'cannot run {script}: {e}') from None
    if r.returncode:
        raise Failed(f'scripts/build {arg} failed; see its messages above')


def default_base():
    """What ./configure chose"""
    try:
        with open(os.path.join(TOP, 'build', 'base'), encoding='utf-8') as f:
            return f.read().strip()
    except OSError:
        raise Failed('build/base is missing: run ./configure') from None


def prepare(args, say, out=None):
    """
    Fill in args.qemu, args.stock and args.sim (a Simulator), and build what
    is not given.  OUT: where the builds' messages go (default: stdout).
    """
    if not (args.qemu and args.stock):
        _build('--stock', 'getting and building QEMU, with the series and '
               'without', say, out)
        obj = os.path.join(TOP, 'build', default_base())
        args.qemu = args.qemu or os.path.join(
            obj, 'obj', 'qemu-system-x86_64')
        args.stock = args.stock or os.path.join(
            obj, 'stock-obj', 'qemu-system-x86_64')
    if not args.sim:
        _build('--sim', 'building the simulated device', say, out)
        args.sim = os.path.join(TOP, 'build', 'sim')
    args.sim = Simulator(args.sim)
    for binary in (args.qemu, args.stock):
        if not os.access(binary, os.X_OK) or os.path.isdir(binary):
            raise Failed(f'there is no QEMU {binary}')
        version(binary)
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
    r = subprocess.run([binary, '--version'], text=True, capture_output=True,
                       timeout=30, check=False)
    words = r.stdout.split()
    if 'version' not in words[:-1] or words[0] != 'QEMU':
        raise Failed(f'{binary} is no QEMU: --version says '
                     + ((r.stderr or r.stdout).strip() or 'nothing')
                     .splitlines()[0])
    return words[words.index('version') + 1]
