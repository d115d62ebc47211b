# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU process, its monitor and its guest's ticks"""

import datetime
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from typing import List

from . import process, tickrom
from .errors import Failed
from .paths import FIRMWARE_DIRS
from .process import TIMEOUT
from .qmp import Monitor, RawMonitor
from .ticks import Ticks


class Machine:
    """A QEMU process"""

    def __init__(self, sess, binary, name, devices=(), *, sim=None,
                 incoming=False, memory=1 << 30, device_options='',
                 arguments=(), raw_monitor=False, log_name=None, rom=None,
                 namespace=None, machine='q35'):
        self.session = sess
        self.name = name
        self.binary = binary
        self.ticks = Ticks()
        self.controls = []
        self.raw = None
        self._qmp = None
        self._process = None
        self._sockets = []
        self.rom = rom or sess.rom
        self.machine = machine
        self.log = os.path.join(sess.log_dir, f'{log_name or name}.log')
        if not process.executable(binary):
            raise Failed(f'there is no QEMU {binary}')
        sess.parts.append(self)
        try:
            self._launch(devices, sim, incoming, memory, device_options,
                         arguments, raw_monitor,
                         namespace.prefix if namespace else [])
        except BaseException:
            self.close()
            raise

    def _socket(self, keep):
        ours, theirs = socket.socketpair()
        keep.append(theirs)
        self._sockets.append(ours)
        return ours, theirs.fileno()

    def _launch(self, devices, sim, incoming, memory, device_options,
                arguments, raw_monitor, prefix):
        theirs: List[socket.socket] = []
        qmp, qmp_fd = self._socket(theirs)
        ticks, ticks_fd = self._socket(theirs)
        args = [self.binary]
        for d in FIRMWARE_DIRS:
            if os.path.isdir(d):
                args += ['-L', d]
        args += ['-name', self.name, '-no-user-config', '-nodefaults',
                 '-display', 'none', '-machine', self.machine, '-accel', 'tcg',
                 '-m', f'{memory >> 20}M', '-bios', self.rom,
                 '-chardev', f'socket,id=qmp,fd={qmp_fd}',
                 '-mon', 'chardev=qmp,mode=control',
                 '-chardev', f'socket,id=ticks,fd={ticks_fd}',
                 '-device', f'isa-debugcon,iobase={tickrom.PORT:#x},'
                 'chardev=ticks']
        if raw_monitor:
            sock, fd = self._socket(theirs)
            self.raw = RawMonitor(sock, self.explain)
            args += ['-chardev', f'socket,id=raw,fd={fd}',
                     '-mon', 'chardev=raw,mode=control']
        if incoming:
            args += ['-incoming', 'defer']
        args += arguments
        if devices:
            try:
                tmp = tempfile.mkdtemp(prefix=f'{self.name}-',
                                       dir=self.session.tmp)
                self.controls, before = sim.run(devices, tmp, device_options)
            except OSError as e:
                raise Failed(f'cannot make files: {e}') from None
            args = before + args
        try:
            self._start(prefix + args, theirs)
        finally:
            for s in theirs:
                s.close()
        loop = self.session.loop
        ticks.setblocking(False)
        loop.call(loop.loop.add_reader, ticks, self._read_ticks, ticks)
        self._connect(qmp)
        if self.raw:
            self.raw.negotiate()

    def _start(self, args, sockets):
        try:
            with open(self.log, 'wb', buffering=0) as log:
                log.write((' '.join(args) + '\n').encode())
                self._process = process.start(
                    args, stdout=log, stderr=log,
                    pass_fds=[s.fileno() for s in sockets])
        except OSError as e:
            raise Failed(f'cannot write {self.log}: {e.strerror}') from None

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
        try:
            self._qmp = Monitor(self.session.loop, self.name, sock)
        except TimeoutError:
            raise Failed(f'{self.name}: QEMU does not answer within '
                         f'{TIMEOUT} s' + self.last_words()) from None
        except Exception as e:
            self.explain(f'no monitor ({e})')

    def last_words(self, lines=8):
        """The end of the log, for a message"""
        text = process.tail(self.log, lines)
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

    def set_capabilities(self, *names, state=True):
        """Capabilities of migration"""
        self.cmd('migrate-set-capabilities', capabilities=[
            {'capability': n, 'state': state} for n in names])

    def cmd(self, command, timeout=TIMEOUT, **arguments):
        """A QMP command; '_' stands for '-' in names of arguments"""
        arguments = {k.replace('_', '-'): v for k, v in arguments.items()}
        try:
            return self._qmp.execute(command, arguments, timeout)
        except TimeoutError:
            raise Failed(f'{self.name}: no answer to {command} within '
                         f'{timeout} s' + self.last_words()) from None
        except Failed as e:
            raise Failed(f'{self.name}: {command}: {e}') from None
        except Exception as e:
            self.explain(f'{command}: {e}')
            raise

    def hmp(self, line):
        return self.cmd('human-monitor-command',
                        command_line=line).replace('\r', '')

    def events(self, name):
        """Those of that name so far, the latest one last"""
        return [e for e in self._qmp.events if e['event'] == name]

    def event_time(self, name):
        """QEMU's own time of the (last) event, or None"""
        events = self.events(name)
        if not events:
            return None
        stamp = events[-1]['timestamp']
        return stamp['seconds'] + stamp['microseconds'] / 1e6

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

    def thread_seconds(self, thread):
        """Processor time that one of its threads has used"""
        path = f'/proc/{self.pid()}/task/{thread}/schedstat'
        with open(path, encoding='ascii') as f:
            return int(f.read().split()[0]) / 1e9

    def close(self):
        loop = self.session.loop
        running, self._process = self._process, None
        if running:
            running.kill()
            running.wait()
        if self._qmp:
            self._qmp.close()
            self._qmp = None
        for s in self._sockets:
            try:
                loop.call(loop.loop.remove_reader, s)
            except Exception:
                # The loop has ended, or does not know the socket
                pass
            s.close()
        self._sockets = []
        if self in self.session.parts:
            self.session.parts.remove(self)
