#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the initial file system of a virtual machine: an uncompressed cpio

It has the programs of this machine with their libraries, and kernel modules in
the order to load them.  To write the archive takes 15 lines; the tool cpio
would need a tree of files first, and a package that Debian does not install.

usage: scripts/lib/kernel/guestimage.py OUTPUT <SPECIFICATION

Lines of the specification:

  dir PATH                     a directory (parents are made as needed)
  file PATH SOURCE             a copy, with the mode of SOURCE
  link PATH TARGET             a symbolic link
  program PATH SOURCE          an executable of this machine, without its debug
                               information, and the shared libraries it loads
  module LIST TREE NAME...     kernel modules and all that they need, from the
                               .ko files below TREE, without those that are
                               built in.  LIST is a text file in the image:
                               their paths, in the order to load them.  A NAME
                               with a slash is a .ko file itself; one with a ?
                               behind it may be missing.
"""

import lzma
import os
import re
import stat
import subprocess
import sys
import tempfile


class Failed(Exception):
    """A message for the user"""


class Image:
    """Files by their path, without the leading slash"""

    def __init__(self):
        self.files = {}

    def add(self, path, mode, data=b''):
        path = path.strip('/')
        parent = os.path.dirname(path)
        if parent and parent not in self.files:
            self.add(parent, stat.S_IFDIR | 0o755)
        self.files[path] = (mode, data)

    def copy(self, path, source):
        try:
            with open(source, 'rb') as f:
                data = f.read()
                mode = os.fstat(f.fileno()).st_mode
        except OSError as e:
            raise Failed(f'{source}: {e.strerror}') from None
        self.add(path, stat.S_IFREG | stat.S_IMODE(mode), data)

    def program(self, path, source):
        with tempfile.NamedTemporaryFile() as stripped:
            r = subprocess.run(['strip', '-g', '-o', stripped.name, source],
                               stderr=subprocess.PIPE, text=True, check=False)
            if r.returncode:
                raise Failed(f'strip {source}: {r.stderr.strip()}')
            self.copy(path, stripped.name)
        self.files[path.strip('/')] = (stat.S_IFREG | 0o755,
                                       self.files[path.strip('/')][1])
        r = subprocess.run(['ldd', source], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
        if 'not a dynamic executable' in r.stdout:
            return
        missing = re.findall(r'^\s*(\S+) => not found', r.stdout, re.M)
        if r.returncode or missing:
            raise Failed(f'{source} cannot be loaded: '
                         + (', '.join(missing) or r.stdout.strip()))
        for library in re.findall(r'(/\S+) \(0x', r.stdout):
            # The loader's path of it, and the file without links
            if library.strip('/') not in self.files:
                self.copy(library, os.path.realpath(library))

    def write(self, output):
        """In the "newc" format; the kernel needs parents first"""
        with open(output, 'wb') as out:
            names = sorted(self.files) + ['TRAILER!!!']
            for inode, name in enumerate(names, 1):
                mode, data = self.files.get(name, (0, b''))
                encoded = name.encode() + b'\0'
                fields = (inode, mode, 0, 0, 1, 0, len(data),
                          0, 0, 0, 0, len(encoded), 0)
                out.write(b'070701' + b''.join(b'%08x' % f for f in fields))
                out.write(encoded + bytes(-(6 + 13 * 8 + len(encoded)) % 4))
                out.write(data)
                out.write(bytes(-len(data) % 4))


class Modules:
    """The kernel modules below a directory"""

    def __init__(self, tree):
        self.tree = tree
        self.paths = {}
        for where, _, names in os.walk(tree):
            for name in names:
                if re.search(r'\.ko(\.xz|\.zst|\.gz)?$', name):
                    self.paths[self.key(name)] = os.path.join(where, name)

    @staticmethod
    def key(name):
        return os.path.basename(name).split('.')[0].replace('-', '_')

    @staticmethod
    def read(path):
        try:
            if path.endswith('.xz'):
                with lzma.open(path) as f:
                    return f.read()
            if path.endswith(('.zst', '.gz')):
                tool = 'zstd' if path.endswith('.zst') else 'gzip'
                return subprocess.run([tool, '-dc', path], check=True,
                                      stdout=subprocess.PIPE).stdout
            with open(path, 'rb') as f:
                return f.read()
        except (OSError, subprocess.CalledProcessError, lzma.LZMAError) as e:
            raise Failed(f'{path}: {e}') from None

    def load_order(self, names):
        """(key, data) of each module to load"""
        done = {}

        def visit(name, path):
            key = self.key(name)
            if key in done or not path:
                return
            data = self.read(path)
            info = re.search(rb'\0depends=([^\0]*)\0', data)
            for need in filter(None, info.group(1).decode().split(',')
                               if info else ()):
                # A module without a file is built in
                visit(need, self.paths.get(self.key(need)))
            done[key] = data

        for name in names:
            may_miss = name.endswith('?')
            name = name.rstrip('?')
            path = name if '/' in name else self.paths.get(self.key(name))
            if not path and not may_miss:
                raise Failed(f'there is no kernel module {name} below '
                             + self.tree)
            visit(name, path)
        return done.items()


def build(spec, image):
    """Add what the lines of @spec describe"""
    for number, line in enumerate(spec, 1):
        words = line.split()
        if not words:
            continue
        try:
            if words[0] == 'dir' and len(words) == 2:
                image.add(words[1], stat.S_IFDIR | 0o755)
            elif words[0] == 'file' and len(words) == 3:
                image.copy(words[1], words[2])
            elif words[0] == 'link' and len(words) == 3:
                image.add(words[1], stat.S_IFLNK | 0o777, words[2].encode())
            elif words[0] == 'program' and len(words) == 3:
                image.program(words[1], words[2])
            elif words[0] == 'module' and len(words) >= 3:
                listing = []
                for key, data in Modules(words[2]).load_order(words[3:]):
                    path = f'/modules/{key}.ko'
                    image.add(path, stat.S_IFREG | 0o644, data)
                    listing.append(path + '\n')
                image.add(words[1], stat.S_IFREG | 0o644,
                          ''.join(listing).encode())
            else:
                raise Failed(f'unknown: "{line.strip()}"')
        except Failed as e:
            raise Failed(f'line {number}: {e}') from None


def main(args):
    """The image that stdin describes"""
    if len(args) != 1 or args[0].startswith('-'):
        print(__doc__.strip())
        return 0 if args and args[0] in ('--help', '-h') else 2
    image = Image()
    try:
        build(sys.stdin, image)
        image.write(args[0])
    except (Failed, OSError) as e:
        print(f'guestimage: error: {e}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
