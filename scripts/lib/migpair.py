# SPDX-License-Identifier: GPL-2.0-or-later
"""
Pairs of QEMUs with simulated VFIO devices, and a migration between them.

    with session('build/demo/log') as s:
        with Pair(s, binary, [Device(profile)]) as pair:
            pair.set_parameters({'downtime-limit': 300})
            pair.start()
            pair.wait_completed(60)
            print(pair.downtime())

Monitors and guests' consoles are read all the time, by a thread of their own:
a QEMU whose events nobody reads stops.  Whatever ends the script, nothing of
it keeps running, and its temporary files go; logs stay.
"""

import asyncio
import contextlib
import ctypes
import datetime
import glob
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import tickrom

LOOPBACK = '127.0.0.1'
LIB = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(LIB))
FIRMWARE_DIRS = ('/usr/share/seabios', '/usr/share/qemu')

# Of a command, and of a QEMU that starts
TIMEOUT = 30

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """Something did not work, and the text says what and why"""


class Interrupted(BaseException):
    """A signal asks us to stop"""


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


# ---------------------------------------------------------------------------
# QMP

def find_qmp(*binaries):
    """
    Make QEMU's own qemu.qmp importable: it is in the tree that a binary was
    built from, or else in the prepared one
    """
    trees = []
    for binary in filter(None, binaries):
        mak = os.path.join(os.path.dirname(os.path.realpath(binary)),
                           'config-host.mak')
        with contextlib.suppress(OSError), open(mak, encoding='utf-8') as f:
            trees += re.findall(r'^SRC_PATH=(.*)$', f.read(), re.M)
    trees += sorted(glob.glob(os.path.join(TOP, 'build', '*', 'src')))
    for tree in trees:
        python = os.path.join(tree, 'python')
        if os.path.isfile(os.path.join(python, 'qemu', 'qmp',
                                       'qmp_client.py')):
            sys.path.insert(0, python)
            return
    with contextlib.suppress(ImportError):
        import qemu.qmp         # noqa: F401  pylint: disable=unused-import
        return
    raise Failed('found QEMU\'s Python library qemu.qmp nowhere (looked in '
                 + (', '.join(trees) or 'build') + '): run ./configure first')


class _Loop:
    """The thread that reads every monitor and console"""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever,
                                       name='monitors', daemon=True)
        self.thread.start()

    def run(self, coroutine, timeout):
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise

    def call(self, function, *args):
        async def wrapped():
            return function(*args)
        return self.run(wrapped(), TIMEOUT)

    def close(self):
        async def end():
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        with contextlib.suppress(TimeoutError):
            self.run(end(), TIMEOUT)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(TIMEOUT)


class Session:
    """Temporary directory, log directory, and the thread above"""

    def __init__(self, log_dir):
        self.log_dir = os.path.abspath(log_dir)
        try:
            os.makedirs(self.log_dir, exist_ok=True)
            self.tmp = tempfile.mkdtemp(prefix='vfio-mig-')
        except OSError as e:
            raise Failed(f'cannot make a directory: {e}') from None
        self.rom = os.path.join(self.tmp, 'tick.rom')
        try:
            with open(self.rom, 'wb') as f:
                f.write(tickrom.image())
        except OSError as e:
            shutil.rmtree(self.tmp, ignore_errors=True)
            raise Failed(f'cannot write {self.rom}: {e.strerror}') from None
        self.loop = _Loop()
        self.parts = []

    def close(self):
        for part in list(self.parts):
            part.close()
        self.loop.close()
        shutil.rmtree(self.tmp, ignore_errors=True)


@contextlib.contextmanager
def session(log_dir):
    """A Session; the signals that end a script end it in good order"""
    def stop(signum, _frame):
        for s in handled:
            signal.signal(s, signal.SIG_IGN)
        raise Interrupted(signal.Signals(signum).name)

    handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {s: signal.signal(s, stop) for s in handled}
    s = Session(log_dir)
    try:
        yield s
    finally:
        s.close()
        for signum, handler in before.items():
            signal.signal(signum, handler)


def run_tool(args):
    """Run a command that answers at once, and return what it said"""
    try:
        return subprocess.run(args, text=True, errors='replace',
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=TIMEOUT, check=False)
    except OSError as e:
        raise Failed(f'cannot run {args[0]}: {e.strerror}') from None
    except subprocess.TimeoutExpired:
        raise Failed(f'{" ".join(args)} does not end within {TIMEOUT} s') \
            from None


# ---------------------------------------------------------------------------
# The simulator

class Simulator:
    """Where the library to preload and the command are"""

    def __init__(self, directory):
        self.library = self.command = None
        wanted = {'libvfio-sim.so': 'library', 'vfio-sim': 'command'}
        for path, dirs, files in os.walk(directory):
            dirs[:] = [d for d in dirs if not d.endswith('.p')]
            for name in files:
                full = os.path.join(path, name)
                if name in wanted and os.access(full, os.X_OK):
                    setattr(self, wanted.pop(name), full)
        if wanted:
            raise Failed(f'the simulator is not built: no {min(wanted)} '
                         f'below {directory}')

    def check(self, profile):
        """Have the simulator itself judge a profile"""
        r = run_tool([self.command, 'check', profile])
        if r.returncode:
            raise Failed((r.stderr or r.stdout).strip()
                         or f'{profile}: not a good profile')


class Device:
    """A simulated device: a profile, and keys that differ from it"""

    def __init__(self, profile=None, **keys):
        self.profile = profile
        self.keys = {k.replace('_', '-'): v for k, v in keys.items()}

    def spec(self, fd, profile, control):
        parts = [f'fd={fd}']
        if profile:
            parts.append(f'profile={profile}')
        parts.append(f'control={control}')
        parts += [f'{k}={v}' for k, v in self.keys.items()]
        return ','.join(parts)


class Control:
    """The control socket of a simulated device"""

    def __init__(self, path):
        self.path = path

    def ask(self, line):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(TIMEOUT)
                s.connect(self.path)
                s.sendall(line.encode() + b'\n')
                reply = s.makefile(encoding='utf-8').readline().strip()
        except OSError as e:
            raise Failed(f'the simulated device does not answer: {e}') \
                from None
        word, _, rest = reply.partition(' ')
        if word != 'ok':
            raise Failed(f'the simulated device says to "{line}": {reply}')
        return rest

    def get(self, key):
        value = self.ask(f'get {key}')
        return int(value) if value.lstrip('-').isdigit() else value

    def set(self, key, value):
        self.ask(f'set {key} {value}')

    def stats(self):
        pairs = (p.partition('=') for p in self.ask('stats').split())
        return {k: int(v) if v.isdigit() else v for k, _, v in pairs}


# ---------------------------------------------------------------------------
# One QEMU

class Ticks:
    """
    What the guest writes: when it was last heard, when first, how many ticks,
    and whether one was lost or came twice
    """

    def __init__(self):
        self.count = 0
        self.breaks = 0
        self.first = self.last = None
        self.first_value = self.last_value = None

    def feed(self, data):
        now = time.monotonic()
        if not self.count:
            self.first, self.first_value = now, data[0]
        previous = self.last_value
        for value in data:
            if previous is not None and value != (previous + 1) & 0xff:
                self.breaks += 1
            previous = value
        self.last, self.last_value = now, previous
        self.count += len(data)


class Machine:
    """A QEMU process"""

    def __init__(self, sess, binary, name, devices=(), *, sim=None,
                 incoming=False, memory=1 << 30, device_options='',
                 arguments=(), raw_monitor=False, log_name=None):
        self.session = sess
        self.name = name
        self.binary = binary
        self.events = []
        self.ticks = Ticks()
        self.controls = []
        self.raw = None
        self._qmp = None
        self._watcher = None
        self._process = None
        self._sockets = []
        self.log = os.path.join(sess.log_dir, f'{log_name or name}.log')
        if not os.access(binary, os.X_OK) or os.path.isdir(binary):
            raise Failed(f'there is no QEMU {binary}')
        sess.parts.append(self)
        try:
            self._launch(devices, sim, incoming, memory, device_options,
                         arguments, raw_monitor)
        except BaseException:
            self.close()
            raise

    def _socket(self, keep):
        ours, theirs = socket.socketpair()
        keep.append(theirs)
        self._sockets.append(ours)
        return ours, theirs.fileno()

    def _launch(self, devices, sim, incoming, memory, device_options,
                arguments, raw_monitor):
        theirs = []
        qmp, qmp_fd = self._socket(theirs)
        ticks, ticks_fd = self._socket(theirs)
        args = [self.binary]
        for d in FIRMWARE_DIRS:
            if os.path.isdir(d):
                args += ['-L', d]
        args += ['-name', self.name, '-no-user-config', '-nodefaults',
                 '-display', 'none', '-machine', 'q35', '-accel', 'tcg',
                 '-m', f'{memory >> 20}M', '-bios', self.session.rom,
                 '-chardev', f'socket,id=qmp,fd={qmp_fd}',
                 '-mon', 'chardev=qmp,mode=control',
                 '-chardev', f'socket,id=ticks,fd={ticks_fd}',
                 '-device', f'isa-debugcon,iobase={tickrom.PORT:#x},'
                 'chardev=ticks']
        if raw_monitor:
            self.raw, fd = self._socket(theirs)
            args += ['-chardev', f'socket,id=raw,fd={fd}',
                     '-mon', 'chardev=raw,mode=control']
        if incoming:
            args += ['-incoming', 'defer']
        args += arguments
        env = dict(os.environ)
        if devices:
            try:
                args += self._simulate(devices, sim, device_options, env)
            except OSError as e:
                raise Failed(f'cannot make files: {e}') from None
        try:
            log = open(self.log, 'wb', buffering=0)
        except OSError as e:
            raise Failed(f'cannot write the log: {e}') from None
        with log:
            try:
                log.write((' '.join(args) + '\n').encode())
            except OSError as e:
                raise Failed(f'cannot write {self.log}: {e.strerror}') \
                    from None
            try:
                self._process = subprocess.Popen(
                    args, env=env, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True,
                    pass_fds=[s.fileno() for s in theirs],
                    preexec_fn=_die_with_parent)
            except OSError as e:
                raise Failed(f'cannot start {self.binary}: '
                             f'{e.strerror}') from None
            finally:
                for s in theirs:
                    s.close()
        loop = self.session.loop
        ticks.setblocking(False)
        loop.call(loop.loop.add_reader, ticks, self._read_ticks, ticks)
        self._connect(qmp)
        if self.raw:
            self._negotiate_raw()

    def _simulate(self, devices, sim, device_options, env):
        """
        Arguments and environment for simulated devices.  Their files are
        named by links, as a path may have any characters in it, and the
        environment's syntax may not.
        """
        tmp = tempfile.mkdtemp(prefix=f'{self.name}-', dir=self.session.tmp)
        library = os.path.join(tmp, 'libvfio-sim.so')
        os.symlink(os.path.abspath(sim.library), library)
        args = ['-object', 'iommufd,id=iommufd0,fd=100']
        specs = []
        for i, dev in enumerate(devices):
            link = None
            if dev.profile:
                link = os.path.join(tmp, f'{i}.profile')
                os.symlink(os.path.abspath(dev.profile), link)
            control = os.path.join(tmp, f'{i}.ctl')
            self.controls.append(Control(control))
            specs.append(dev.spec(101 + i, link, control))
            args += ['-device', f'vfio-pci,id=dev{i},fd={101 + i},'
                     'iommufd=iommufd0,enable-migration=on' + device_options]
        env['LD_PRELOAD'] = library
        env['VFIO_SIM_IOMMUFD'] = 'fd=100'
        env['VFIO_SIM_DEVICES'] = ';'.join(specs)
        return args

    def _read_ticks(self, sock):
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        if data:
            self.ticks.feed(data)
        else:
            self.session.loop.loop.remove_reader(sock)

    def _connect(self, sock):
        from qemu.qmp import EventListener, QMPClient

        async def watch(listener):
            async for event in listener:
                self.events.append(event)

        async def connect():
            client = QMPClient(self.name)
            # A QEMU that dies is noticed elsewhere, and explained there
            client.logger.disabled = True
            listener = EventListener()
            client.register_listener(listener)
            self._watcher = asyncio.ensure_future(watch(listener))
            await client.connect(sock)
            return client

        try:
            self._qmp = self.session.loop.run(connect(), TIMEOUT)
        except TimeoutError:
            raise Failed(f'{self.name}: QEMU does not answer within '
                         f'{TIMEOUT} s' + self.last_words()) from None
        except Exception as e:
            self.explain(f'no monitor ({e})')

    def _negotiate_raw(self):
        self.raw.settimeout(TIMEOUT)
        self.raw_reply()
        self.raw_round_trip(b'{"execute": "qmp_capabilities"}\n')

    def raw_reply(self):
        """One line from the second monitor, in as few steps as can be"""
        data = self.raw.recv(65536)
        while not data.endswith(b'\n'):
            more = self.raw.recv(65536)
            if not more:
                self.explain('the monitor closed')
            data += more
        return data

    def raw_round_trip(self, command):
        """Nanoseconds that a command takes"""
        start = time.perf_counter_ns()
        self.raw.sendall(command)
        self.raw_reply()
        return time.perf_counter_ns() - start

    def last_words(self, lines=8):
        with contextlib.suppress(OSError), \
                open(self.log, encoding='utf-8', errors='replace') as f:
            text = f.read().splitlines()[1:][-lines:]
            if text:
                return (':\n' + '\n'.join('    ' + t for t in text)
                        + f'\n  (log: {self.log})')
        return f' (its log is empty: {self.log})'

    def explain(self, what):
        """Raise Failed for a QEMU that does not do what it should"""
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:
            raise Failed(f'{self.name}: {what}' + self.last_words()) from None
        if status < 0:
            end = f'was ended by {signal.Signals(-status).name}'
        else:
            end = f'ended with status {status}'
        raise Failed(f'{self.name}: QEMU {end}' + self.last_words()) from None

    def alive(self):
        return self._process is not None and self._process.poll() is None

    def pid(self):
        return self._process.pid

    def cmd(self, command, timeout=TIMEOUT, **arguments):
        """A QMP command; '_' stands for '-' in names of arguments"""
        from qemu.qmp import ExecuteError

        arguments = {k.replace('_', '-'): v for k, v in arguments.items()}
        try:
            return self.session.loop.run(
                self._qmp.execute(command, arguments or None), timeout)
        except TimeoutError:
            raise Failed(f'{self.name}: no answer to {command} within '
                         f'{timeout} s' + self.last_words()) from None
        except ExecuteError as e:
            raise Failed(f'{self.name}: {command}: {e}') from None
        except Exception as e:
            self.explain(f'{command}: {e}')
            raise

    def hmp(self, line):
        return self.cmd('human-monitor-command',
                        command_line=line).replace('\r', '')

    def event_time(self, name):
        """When QEMU says that the (last) event was, or None"""
        for event in reversed(self.events):
            if event['event'] == name:
                stamp = event['timestamp']
                return stamp['seconds'] + stamp['microseconds'] / 1e6
        return None

    def traced(self, event):
        """
        What a trace event has left in the log, of a QEMU with -trace EVENT
        and -msg timestamp=on: [(seconds, the event's own text)]
        """
        line = re.compile(rf'(\S+Z) {event} (.*)')
        with open(self.log, encoding='utf-8', errors='replace') as f:
            found = filter(None, map(line.fullmatch, f.read().splitlines()))
            return [(datetime.datetime.fromisoformat(
                m[1].replace('Z', '+00:00')).timestamp(), m[2])
                for m in found]

    def cpu_seconds(self):
        """Processor time that the whole process has used"""
        # The kernel's encoding of "CPU clock of process PID"
        return time.clock_gettime(~self.pid() << 3 | 2)

    def close(self):
        loop = self.session.loop
        process, self._process = self._process, None
        if process and process.poll() is None:
            process.kill()
        if process:
            process.wait()

        async def disconnect():
            self._watcher.cancel()
            with contextlib.suppress(Exception):
                await self._qmp.disconnect()

        if self._qmp:
            with contextlib.suppress(Exception):
                loop.run(disconnect(), TIMEOUT)
            self._qmp = None
        for s in self._sockets:
            with contextlib.suppress(Exception):
                loop.call(loop.loop.remove_reader, s)
            s.close()
        self._sockets = []
        if self in self.session.parts:
            self.session.parts.remove(self)


# ---------------------------------------------------------------------------
# A link of a given speed

class Relay:
    """relay.py between source and destination"""

    def __init__(self, sess, port, rate):
        self.session = sess
        self.log = os.path.join(sess.log_dir, 'relay.log')
        try:
            with open(self.log, 'wb') as log:
                self._process = subprocess.Popen(
                    [sys.executable, os.path.join(LIB, 'relay.py'),
                     f'--to={LOOPBACK}:{port}', f'--rate={rate}'],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=log, start_new_session=True,
                    preexec_fn=_die_with_parent)
        except OSError as e:
            raise Failed(f'cannot start the relay: {e}') from None
        sess.parts.append(self)
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT)
        line = self._process.stdout.readline().strip() if ready else b''
        if not line.isdigit():
            self.close()
            with open(self.log, encoding='utf-8', errors='replace') as f:
                raise Failed('the relay does not start: ' + f.read().strip())
        self.port = int(line)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        if self in self.session.parts:
            self.session.parts.remove(self)


def relay_capacity(sess, seconds=0.4):
    """Bytes a second that a relay carries on this machine, just now"""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(TIMEOUT)
        relay = Relay(sess, listener.getsockname()[1], 1e15)
        try:
            with socket.create_connection((LOOPBACK, relay.port),
                                          TIMEOUT) as out:
                incoming, _ = listener.accept()
                with incoming:
                    incoming.settimeout(TIMEOUT)
                    return _pump(out, incoming, seconds)
        except OSError as e:
            raise Failed(f'the relay does not work: {e}') from None
        finally:
            relay.close()


def _pump(out, incoming, seconds):
    def send():
        data = bytes(1 << 20)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            out.sendall(data)
        out.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    buffer = bytearray(1 << 20)
    start = time.monotonic()
    sender.start()
    total = 0
    try:
        while n := incoming.recv_into(buffer):
            total += n
    finally:
        sender.join()
    return total / (time.monotonic() - start)


# ---------------------------------------------------------------------------
# Source and destination

class Pair:
    """
    Two QEMUs, and the migration from one to the other: over TCP, with LINK
    through a relay of so many bytes a second; or, with UNIX, over a Unix
    socket, where nothing is ever held back until something was acknowledged
    (of TCP's 40 ms for that a downtime has one or none)
    """

    def __init__(self, sess, binary, devices=(), *, sim=None, link=None,
                 port=0, unix=False, label='qemu', **options):
        self.session = sess
        self.link = link
        self.port = port
        self.unix = unix
        # While it switches over, a QEMU does not answer
        self.patience = TIMEOUT
        self.relay = None
        self.source = self.destination = None
        try:
            self.destination = Machine(
                sess, binary, 'destination', devices, sim=sim, incoming=True,
                log_name=f'{label}-destination', **options)
            self.source = Machine(
                sess, binary, 'source', devices, sim=sim,
                log_name=f'{label}-source', **options)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for part in (self.relay, self.source, self.destination):
            if part:
                part.close()
        self.relay = self.source = self.destination = None

    def set_capabilities(self, *names):
        for m in (self.destination, self.source):
            m.cmd('migrate-set-capabilities', capabilities=[
                {'capability': n, 'state': True} for n in names])

    def set_parameters(self, parameters, both=False):
        for m in (self.destination, self.source) if both else (self.source,):
            m.cmd('migrate-set-parameters', **parameters)

    def wait_guest(self, seconds=10):
        """Until the guest ticks"""
        self.poll(lambda: self.source.ticks.count > 50, seconds,
                  'the guest does not tick')

    def start(self):
        """Connect and start the migration"""
        if self.unix:
            uri = 'unix:' + os.path.join(self.session.tmp, 'migration')
            self.destination.cmd('migrate-incoming', uri=uri)
            self.started = time.monotonic()
            self.source.cmd('migrate', uri=uri)
            return
        self.destination.cmd('migrate-incoming',
                             uri=f'tcp:{LOOPBACK}:{self.port}')
        address = self.destination.cmd('query-migrate')['socket-address'][0]
        port = self.destination_port = int(address['port'])
        if self.link:
            self.relay = Relay(self.session, port, self.link)
            port = self.relay.port
        self.started = time.monotonic()
        self.source.cmd('migrate', uri=f'tcp:{LOOPBACK}:{port}')

    def elapsed(self):
        return time.monotonic() - self.started

    def check_alive(self):
        if not self.source.alive():
            self.source.explain('died')
        if not self.destination.alive():
            # Often it only follows the source
            self.explain_source()
            self.destination.explain('died')

    def explain_source(self):
        """Raise Failed if the source notices it in a moment"""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if self.source.cmd('query-migrate').get('status') == 'failed':
                self.explain_failure()
            time.sleep(0.05)

    def explain_failure(self):
        """Raise Failed, with what either side has to say"""
        info = self.source.cmd('query-migrate')
        text = 'the migration failed: ' + info.get('error-desc',
                                                   'no reason given')
        for m in (self.source, self.destination):
            text += f'\n  {m.name}{m.last_words(4)}'
        raise Failed(text)

    def info(self):
        """query-migrate on the source; a migration that failed raises"""
        info = self.source.cmd('query-migrate', timeout=self.patience)
        if info.get('status') == 'failed':
            self.explain_failure()
        return info

    def poll(self, condition, seconds, what, interval=0.01):
        """Until condition(); Failed when it does not come true in time"""
        end = time.monotonic() + seconds
        while not condition():
            self.check_alive()
            if time.monotonic() > end:
                raise Failed(f'{what} within {seconds:g} s'
                             + self.source.last_words())
            time.sleep(interval)

    def wait_waiting(self, seconds):
        """
        Until the migration is active and has nothing left but what the limit
        forbids: RAM is through.  Returns query-migrate, of a migration that
        has completed too.
        """
        last = {}

        def settled():
            nonlocal last
            last = self.info()
            ram = last.get('ram', {})
            return last.get('status') == 'completed' or (
                last.get('status') == 'active'
                and ram.get('dirty-sync-count', 0) >= 5
                and ram.get('remaining', 1) < 4 << 20)
        self.poll(settled, seconds, 'the migration got nowhere', 0.05)
        return last

    def backlog(self):
        """Bytes that are between source and destination, in sockets"""
        ports = {self.destination_port}
        if self.relay:
            ports.add(self.relay.port)
        total = 0
        with open('/proc/net/tcp', encoding='ascii') as f:
            for line in list(f)[1:]:
                local, remote, _, queues = line.split()[1:5]
                if ports & {int(a.rpartition(':')[2], 16)
                            for a in (local, remote)}:
                    total += sum(int(q, 16) for q in queues.split(':'))
        return total

    def wait_settled(self, seconds):
        """
        After wait_waiting(): until the destination has caught up, and QEMU
        has measured two of its periods of 100 ms with nothing else to move.
        Returns query-migrate, of a migration that has completed too.
        """
        last = self.info()
        begin = last['total-time']

        def settled():
            nonlocal last
            last = self.info()
            return last.get('status') == 'completed' or (
                last['total-time'] - begin >= 200
                and self.backlog() < 64 << 10)
        self.poll(settled, seconds, 'the destination does not keep up', 0.02)
        return last

    def wait_completed(self, seconds):
        """Until the guest runs on the destination; query-migrate then"""
        self.patience = max(seconds, TIMEOUT)
        self.poll(lambda: self.info().get('status') == 'completed', seconds,
                  'the migration did not complete', 0.02)
        self.poll(lambda: self.destination.ticks.count > 20, TIMEOUT,
                  'the guest does not run on the destination')
        return self.source.cmd('query-migrate')

    def downtime(self):
        """
        Milliseconds, three views of them: how long the guest was silent, from
        its last tick on the source to its first on the destination; from
        event STOP to event RESUME (QEMU's own stamps, same clock); and what
        the source's query-migrate says
        """
        silent = self.destination.ticks.first - self.source.ticks.last
        stop = self.source.event_time('STOP')
        resume = self.destination.event_time('RESUME')
        info = self.source.cmd('query-migrate')
        return {'silent': 1000 * silent,
                'events': None if stop is None or resume is None
                else 1000 * (resume - stop),
                'qemu': info.get('downtime')}

    def device_downtime(self):
        """
        Milliseconds from the moment when the first of the source's devices
        was stopped to that when the last of the destination's was running
        """
        stopped = [c.get('stopped-at-us') for c in self.source.controls]
        running = [c.get('running-at-us') for c in self.destination.controls]
        return (max(running) - min(stopped)) / 1000

    def guest_intact(self):
        """Did the guest go on exactly where it was?"""
        old, new = self.source.ticks, self.destination.ticks
        return (old.breaks == new.breaks == 0 and new.count > 0
                and new.first_value == (old.last_value + 1) & 0xff)

    def streams_verified(self):
        """
        Did every destination device get exactly what was sent, and find in
        guest memory exactly what its DMA had written there?
        """
        for control in self.destination.controls:
            stats = control.stats()
            if stats.get('stream-verified') != 1 \
                    or stats.get('stream-errors') \
                    or stats.get('dma-mismatched') != 0:
                return False
        return True
