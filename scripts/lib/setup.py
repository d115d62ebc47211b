# SPDX-License-Identifier: GPL-2.0-or-later
"""What demo, check-demo and bench do before they start: build what they need"""

import os
import subprocess
import sys

from migpair import (Failed, Interrupted, Simulator, TOP, executable, find_qmp,
                     run_tool)

PROFILES = os.path.join(TOP, 'tests', 'vfio-sim', 'profiles')

# The simulator without its tests
SIM_TARGETS = ('tests/vfio-sim/libvfio-sim.so', 'tests/vfio-sim/vfio-sim')

# Of a first build: processor minutes for the x86_64 emulator on fast and on slow
# machines, minutes for what one processor does alone (unpacking, configure), GB
# of disk that must be free
FAST_MINUTES, SLOW_MINUTES, SINGLE_MINUTES, DISK_GB = 3, 8, 1.5, 4


def add_options(parser):
    group = parser.add_argument_group('what to run (default: built here)')
    group.add_argument('--qemu', metavar='BIN',
                       help='a qemu-system-x86_64 with the series')
    group.add_argument('--stock', metavar='BIN',
                       help='the same without it')
    group.add_argument('--sim', metavar='DIR',
                       help='directory that holds the built simulator')


def built(*parts: str) -> str:
    """The path of a QEMU that scripts/build makes"""
    return os.path.join(TOP, 'build', default_base(), *parts,
                        'qemu-system-x86_64')


def is_built(*parts: str) -> bool:
    """Has scripts/build made that QEMU before?"""
    try:
        return executable(built(*parts))
    except Failed:
        return False


def default_base() -> str:
    """What ./configure chose, or BASE of the environment"""
    if os.environ.get('BASE'):
        return os.environ['BASE']
    try:
        with open(os.path.join(TOP, 'build', 'base'), encoding='utf-8') as f:
            return f.read().strip()
    except OSError:
        raise Failed('build/base is missing: run ./configure') from None


def other_bases():
    """Those that the series has patches for, but that of ./configure"""
    known = (f for f in os.listdir(os.path.join(TOP, 'bases'))
             if not f.endswith('.sha256'))
    return sorted(set(known) - {default_base()})


def build_base(base, say, out=None):
    """The path of a QEMU of another base with the series"""
    run_build(['qemu-system-x86_64'],
              f'building QEMU {base} with the series', say, out,
              {**os.environ, 'BASE': base})
    return os.path.join(TOP, 'build', base, 'obj', 'qemu-system-x86_64')


def announce(args, say):
    """Before a first build: how long it takes and what it needs"""
    if args.qemu or is_built('obj') or is_built('quick'):
        return
    processors = len(os.sched_getaffinity(0))
    fast = SINGLE_MINUTES + FAST_MINUTES / processors
    slow = SINGLE_MINUTES + SLOW_MINUTES / processors
    say('the first run downloads QEMU (40 to 140 MB) and builds its x86_64 '
        f'emulator: {max(round(fast), 2)} to {max(round(slow), 3)} minutes')
    say(f'with {processors} processor(s) until the first result, and then '
        f'1 or 2 for unchanged QEMU; {DISK_GB} GB of disk')


def run_build(words, what, say, out, env=None):
    script = os.path.join(TOP, 'scripts', 'build')
    command = ' '.join(['scripts/build'] + words)
    say(f'{what} ({command})')
    try:
        r = subprocess.run([script] + words, check=False, stdout=out,
                           env=env)
    except OSError as e:
        raise Failed(f'cannot run {script}: {e}') from None
    if r.returncode:
        raise Failed(f'{command} failed; see its messages above')


def set_sanitizers():
    """
    For a QEMU of scripts/build --asan: the simulator's library is loaded before
    that of the sanitizer, and what it finds ends QEMU as a crash does
    """
    for name, options in (
            ('ASAN_OPTIONS', 'verify_asan_link_order=0:abort_on_error=1:'
                             'detect_leaks=0'),
            ('UBSAN_OPTIONS', 'halt_on_error=1:abort_on_error=1:'
                              'print_stacktrace=1')):
        os.environ[name] = ':'.join(filter(None, (options,
                                                  os.environ.get(name))))


def _check_qemu(binary):
    if not executable(binary):
        raise Failed(f'there is no QEMU {binary}')
    version(binary)


def prepare(args, say, out=None, profile=None, stock=True, quick=False):
    """
    Fill in args.qemu, args.stock and args.sim (a Simulator), and build what
    is not given.  What takes long comes last: what was given (PROFILE too) is
    checked before.  OUT: where the builds' messages go (default: stdout).
    STOCK: whether args.stock is needed now.  QUICK: if nothing has been built
    yet, take half the time for it, and do not optimize.
    """
    set_sanitizers()
    for binary in filter(None, (args.qemu, args.stock,
                                getattr(args, 'peer', None))):
        _check_qemu(binary)
    if not args.sim:
        run_build(['--only=sim', *SIM_TARGETS], 'building the simulated device',
                  say, out)
        args.sim = os.path.join(TOP, 'build', 'sim')
    args.sim = Simulator(args.sim)
    if profile:
        args.sim.check(profile)
    if not args.qemu:
        options = ['--quick'] if quick and not is_built('obj') else []
        run_build(options + ['qemu-system-x86_64'],
                  'building QEMU with the series', say, out)
        args.qemu = built('quick' if options else 'obj')
        _check_qemu(args.qemu)
    if stock:
        build_stock(args, say, out)
    find_qmp(args.qemu, args.stock)


def build_stock(args, say, out=None):
    """Fill in args.stock, with a build like that of args.qemu"""
    if not args.stock:
        quick = is_built('quick') and args.qemu == built('quick')
        options = ['--quick'] if quick else []
        run_build(options + ['--with-stock', 'qemu-system-x86_64'],
                  'building unchanged QEMU, for the comparison', say, out)
        args.stock = built('stock', 'quick' if options else 'obj')
        _check_qemu(args.stock)


def find_profile(name: str) -> str:
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


def version(binary: str) -> str:
    """The version that a binary reports: '10.2.2'"""
    r = run_tool([binary, '--version'])
    words = r.stdout.split()
    if 'version' not in words[:-1] or words[0] != 'QEMU':
        text = (r.stderr or r.stdout).strip() or 'nothing'
        raise Failed(f'{binary} is no QEMU: --version prints '
                     + text.splitlines()[0])
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
        # A disk that is full, a pipe whose reader has ended
        text, status = f'error: {str(e) or type(e).__name__}', 1
    except (Interrupted, KeyboardInterrupt):
        text, status = 'interrupted', 130
    try:
        sys.stdout.flush()
    except OSError:
        # Or else Python prints another error at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f'{name}: {text}', file=sys.stderr)
    return status
