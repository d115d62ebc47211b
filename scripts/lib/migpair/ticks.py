# SPDX-License-Identifier: GPL-2.0-or-later
"""What the guest writes to its console: a byte that counts up"""

import time


class Ticks:
    """
    When the guest was heard first and last, how many ticks there were, and
    how often one was lost or came twice
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
