# SPDX-License-Identifier: GPL-2.0-or-later
"""The network between two hosts"""

from migpair import Failed, Namespace

SOURCE, DESTINATION = '10.0.0.1', '10.0.0.2'
# Bits per second: as tc(8) and people write them
UNITS = {'kbit': 10 ** 3, 'mbit': 10 ** 6, 'gbit': 10 ** 9}


def parse_rate(text):
    """Bytes per second of "1gbit" """
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            try:
                rate = int(float(text[:-len(unit)]) * factor / 8)
            except (ValueError, OverflowError):
                break
            if rate > 0:
                return rate
    raise Failed(f"'{text}' is no rate: give one like 1gbit or 500mbit")


class Link:
    """Two network namespaces, joined, with RATE bytes per second each way"""

    def __init__(self, sess, rate):
        self.source = Namespace(sess)
        self.destination = Namespace(sess, other=self.source)
        self.source.join(self.destination, SOURCE, DESTINATION)
        for side in (self.source, self.destination):
            side.set_rate(rate, 'net0')

    def close(self):
        for side in (self.source, self.destination):
            side.close()
