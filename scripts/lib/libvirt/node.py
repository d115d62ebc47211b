# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with a libvirtd, on which a guest with simulated devices may run"""

import glob
import os
import shlex
import socket
import subprocess
import threading
import time

from migpair import TOP, Control, Failed, process
from migpair.paths import FIRMWARE_DIRS
from migpair.ticks import Ticks
from migpair.tickrom import PORT

NODE_SH = os.path.join(TOP, 'scripts', 'lib', 'libvirt', 'node.sh')
GUEST = 'guest'
# The same on each host, as a migrated guest's description has it
EMULATOR = '/var/lib/libvirt/emulator'
# Seconds that virsh and the start of libvirtd may take
TIMEOUT = 60

LIBVIRTD_CONF = '''\
auth_unix_ro = "none"
auth_unix_rw = "none"
host_uuid = "{uuid}"
log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
'''
# No confinement: a host is made of namespaces already, and without privileges
QEMU_CONF = '''\
security_driver = "none"
user = "root"
group = "root"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
'''
# libvirt queries what QEMU can do with a machine that has no devices
EMULATOR_SH = '''\
#!/bin/sh
case " $* " in
*" -machine none"* | *" --version "* | *" -version "*) exec {qemu} "$@" ;;
esac
sockets=$(mktemp -d {sim}/XXXXXX)
ln -sfn "$sockets" {sim}/now
exec {command} run --library {library} --control "$sockets" {devices} -- \\
    {qemu} {firmware} -chardev socket,id=ticks,path={ticks} \\
    -device isa-debugcon,iobase={port:#x},chardev=ticks "$@"
'''
DOMAIN = '''\
<domain type='qemu'>
  <name>{name}</name>
  <uuid>6f1d2c3b-4a59-4687-9788-a9bacbdcedfe</uuid>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader type='rom'>{rom}</loader>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
'''


class Node:
    """A host.  NAMESPACE: its network; TREE: of scripts/debian-libvirt"""

    def __init__(self, sess, tree, name, number, namespace, qemu, sim,
                 devices):
        self.session = sess
        self.tree = tree
        self.name = name
        self.directory = os.path.join(sess.tmp, name)
        self.ticks = Ticks()
        self._process = None
        self._listener = None
        for d in ('etc', 'run', 'lib', 'cache', 'log', 'sim'):
            os.makedirs(os.path.join(self.directory, d))
        self.uri = ('qemu+unix:///system?socket='
                    + self._path('run', 'libvirt', 'libvirt-sock'))
        self.devices = len(devices)
        self._configure(number, qemu, sim, devices)
        self._listen()
        sess.parts.append(self)
        try:
            # A command of scripts/debian-qemu runs what is in a tree beside it
            root = os.path.join(os.path.dirname(qemu), 'root')
            self._start(namespace, map(os.path.abspath, (
                qemu, *filter(os.path.isdir, (root,)), sim.library,
                sim.command, *filter(None, (d.profile for d in devices)))))
        except BaseException:
            self.close()
            raise

    def _path(self, *parts):
        return os.path.join(self.directory, *parts)

    def _write(self, text, *parts):
        with open(self._path(*parts), 'w', encoding='utf-8') as f:
            f.write(text)

    def _configure(self, number, qemu, sim, devices):
        uuid = f'{number:08}-1111-4222-8333-444444444444'
        self._write(LIBVIRTD_CONF.format(uuid=uuid), 'etc', 'libvirtd.conf')
        self._write(QEMU_CONF, 'etc', 'qemu.conf')
        options = {'qemu': os.path.abspath(qemu), 'sim': self._path('sim'),
                   'command': os.path.abspath(sim.command),
                   'library': os.path.abspath(sim.library),
                   'ticks': self._path('ticks')}
        options = {k: shlex.quote(v) for k, v in options.items()}
        text = EMULATOR_SH.format(
            port=PORT, devices=shlex.join(
                w for d in devices for w in ('--device', d.spec())),
            firmware=shlex.join(w for d in FIRMWARE_DIRS for w in ('-L', d)),
            **options)
        self._write(text, 'lib', 'emulator')
        os.chmod(self._path('lib', 'emulator'), 0o755)

    def _listen(self):
        """A QEMU that starts here writes its guest's ticks to a socket"""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path('ticks'))
        self._listener.listen(4)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            # Another QEMU: another count
            self.ticks = Ticks()
            threading.Thread(target=self._read,
                             args=(connection, self.ticks),
                             daemon=True).start()

    @staticmethod
    def _read(connection, ticks):
        with connection:
            while data := connection.recv(65536):
                ticks.feed(data)

    def _start(self, namespace, shared):
        self.log = self._path('log', 'libvirtd.log')
        output = open(self._path('output'), 'wb')
        with output:
            self._process = process.start(
                [*namespace.prefix, 'unshare', '--mount', '--uts', '--pid',
                 '--fork', '--kill-child', 'sh', NODE_SH, self.name,
                 os.path.join(self.tree, 'root'), self.directory,
                 *dict.fromkeys([self.session.tmp, *shared])],
                stdout=output, stderr=output)
        end = time.monotonic() + TIMEOUT
        while self.virsh('uri', check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                raise Failed(f'{self.name}: libvirtd does not start:\n'
                             + self.last_words())
            time.sleep(0.1)

    def last_words(self, lines=5):
        """The end of what libvirtd printed and logged"""
        text = []
        for path in (self._path('output'), self.log):
            try:
                with open(path, encoding='utf-8', errors='replace') as f:
                    text += f.read().splitlines()[-lines:]
            except OSError:
                pass
        return '\n'.join('    ' + t for t in text)

    def command(self, *words):
        """The command line of this libvirt's virsh"""
        root = os.path.join(self.tree, 'root')
        return [f'{root}/lib64/ld-linux-x86-64.so.2', '--library-path',
                f'{root}/usr/lib/x86_64-linux-gnu', f'{root}/usr/bin/virsh',
                '--connect', self.uri, *words]

    @staticmethod
    def environment():
        """Of virsh: its output is read"""
        return process.environment(LC_ALL='C')

    def virsh(self, *words, check=True):
        try:
            r = subprocess.run(self.command(*words), text=True,
                               errors='replace', stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=TIMEOUT,
                               check=False, env=self.environment())
        except subprocess.TimeoutExpired:
            raise Failed(f'{self.name}: virsh {words[0]} does not end within '
                         f'{TIMEOUT} s') from None
        if check and r.returncode:
            raise Failed(f'{self.name}: virsh {" ".join(words)}: '
                         f'{r.stderr.strip()}\n{self.last_words()}')
        return r

    def create(self, rom, memory):
        """Start the guest here"""
        self._write(DOMAIN.format(name=GUEST, memory=memory, rom=rom,
                                  emulator=EMULATOR), 'guest.xml')
        self.virsh('create', self._path('guest.xml'))

    def state(self):
        """'running', 'paused'... or None, if the guest is not here"""
        if GUEST not in self.virsh('list', '--name').stdout.split():
            return None
        r = self.virsh('domstate', GUEST, check=False)
        # It may have gone meanwhile
        return r.stdout.strip() if r.returncode == 0 else None

    def controls(self):
        """Of the simulated devices of the QEMU that was started last"""
        return [Control(os.path.realpath(self._path('sim', 'now',
                                                    f'dev{i}.sock')))
                for i in range(self.devices)]

    def qemu_log(self, lines=5):
        """The end of what QEMU printed"""
        paths = glob.glob(self._path('log', 'qemu', '*.log'))
        if not paths:
            return ''
        with open(paths[0], encoding='utf-8', errors='replace') as f:
            return '\n'.join('    ' + t
                             for t in f.read().splitlines()[-lines:])

    def close(self):
        if self._process:
            # Its QEMUs end with it
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._listener:
            # close() does not wake the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        if self in self.session.parts:
            self.session.parts.remove(self)
