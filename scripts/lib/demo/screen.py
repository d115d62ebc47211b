# SPDX-License-Identifier: GPL-2.0-or-later
"""Output for people: lines, and one line that changes"""

import io
import os
import shutil
import sys
import time


class Screen:
    """Lines that stay, and on a terminal one line that changes"""

    def __init__(self):
        self.tty = sys.stdout.isatty()
        self.colour = self.tty and 'NO_COLOR' not in os.environ
        self.width = min(79, shutil.get_terminal_size().columns - 1)
        self.open_line = False
        self.last = 0.0
        if not self.tty and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)

    def paint(self, code: int, text: str) -> str:
        return f'\033[{code}m{text}\033[0m' if self.colour else text

    def end_line(self):
        if self.open_line:
            print()
            self.open_line = False

    def say(self, *lines: str) -> None:
        self.end_line()
        for line in lines:
            print(line)

    def title(self, text):
        self.say('', self.paint(1, text), '')

    def live(self, text: str, force: bool = False) -> None:
        """Refresh the line; without a terminal, print one per second"""
        now = time.monotonic()
        if self.tty:
            if now - self.last >= 0.1 or force:
                print('\r' + text[:self.width].ljust(self.width), end='',
                      flush=True)
                self.open_line = True
                self.last = now
        elif now - self.last >= 1 or force:
            print(text)
            self.last = now
