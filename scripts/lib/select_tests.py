#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Select test programs of a meson build, and single cases of them.

usage: select_tests.py names SUITE... <INTRO
       select_tests.py files NAME... <INTRO
       select_tests.py cases NAME... [-- PATTERN...] <INTRO
       select_tests.py commands NAME... [-- PATTERN...] <INTRO

INTRO is the output of "meson introspect --tests --targets"; all is to be used
in the build directory.

names     prints the tests, or those of the suites alone
files     prints the files to build for the tests with these names; fails if
          there is no such test
cases     prints the cases of these tests, as "NAME PATH"; with patterns, only
          those whose path contains one of them (as a shell pattern)
commands  prints shell commands that run each of these tests, with the same
          cases
"""

import fnmatch
import json
import os
import re
import shlex
import subprocess
import sys

CASE = re.compile(r'^(?:# )?(/\S+)$')


def print_names(intro, suites, _patterns):
    """All tests, or those of the suites"""
    for test in intro['tests']:
        if not suites or any(suite.endswith(f':{wanted}') or suite == wanted
                             for suite in test['suite'] for wanted in suites):
            print(test['name'])


def print_files(intro, names, _patterns):
    """What has to be built"""
    have = {test['name'] for test in intro['tests']}
    lost = [name for name in names if name not in have]
    if lost:
        sys.exit('check: error: not built, so that it cannot be run: ' +
                 ' '.join(lost))
    ids = {dep for test in intro['tests'] if test['name'] in names
           for dep in test['depends']}
    for target in intro['targets']:
        if target['id'] in ids:
            for path in target['filename']:
                print(os.path.relpath(path))


def cases_of(test, patterns):
    """Paths of the cases, if GLib runs the program"""
    if '--tap' not in test['cmd']:
        return []
    out = subprocess.run([test['cmd'][0], '-l'], text=True, check=False,
                         env={**os.environ, **test['env']},
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    paths = [match.group(1) for match in
             map(CASE.match, out.stdout.splitlines()) if match]
    return [path for path in paths if not patterns or
            any(fnmatch.fnmatchcase(path, f'*{p}*') for p in patterns)]


def print_cases(intro, names, patterns):
    """The cases whose paths match"""
    for test in intro['tests']:
        if test['name'] in names:
            for path in cases_of(test, patterns):
                print(test['name'], path)


def print_commands(intro, names, patterns):
    """How to run them by hand"""
    print('cd', shlex.quote(os.getcwd()))
    for test in intro['tests']:
        if test['name'] not in names:
            continue
        env = [f'{key}={shlex.quote(value)}'
               for key, value in test['env'].items()]
        args = [arg for arg in test['cmd'] if arg not in ('--tap', '-k')]
        if patterns:
            for path in cases_of(test, patterns):
                args += ['-p', path]
        if env:
            print('export', *env)
        print(shlex.join(args))


def main(args):
    """The command line"""
    commands = {'names': print_names, 'files': print_files,
                'cases': print_cases, 'commands': print_commands}
    if not args or args[0] not in commands:
        print(__doc__.strip())
        return 0 if args[:1] in (['--help'], ['-h']) else 2
    command, *words = args
    patterns = []
    if '--' in words:
        i = words.index('--')
        words, patterns = words[:i], words[i + 1:]
    commands[command](json.load(sys.stdin), words, patterns)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
