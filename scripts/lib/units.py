# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes, rates and times: read from options, and formatted for output"""

import argparse
import re
from typing import Optional

_SUFFIXES = {'': 1, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40,
             'KIB': 1 << 10, 'MIB': 1 << 20, 'GIB': 1 << 30, 'TIB': 1 << 40,
             'KB': 10 ** 3, 'MB': 10 ** 6, 'GB': 10 ** 9, 'TB': 10 ** 12}


def parse_size(text: str) -> int:
    """'64M', '2 GiB', '1GB' -> bytes; K/M/G are binary, as in QEMU"""
    m = re.fullmatch(r'\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*?)(?:/s)?\s*', text)
    factor = _SUFFIXES.get(m.group(2).upper()) if m else None
    if factor is None:
        raise ValueError(f"'{text}' is not a size (like 64M, 2GiB, 1GB)")
    return int(float(m.group(1)) * factor)


def size_option(text):
    """parse_size() for argparse"""
    try:
        return parse_size(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def size(n: Optional[float]) -> str:
    """2147483648 -> '2.00 GiB'"""
    if n is None:
        return '-'
    if n < 1024:
        return f'{n} B'
    for unit in ('KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'):
        n /= 1024
        if n < 1000 or unit == 'EiB':
            return f'{n:.{2 if n < 10 else 1 if n < 100 else 0}f} {unit}'
    raise AssertionError


def device(n: int) -> str:
    """The size of a device, without decimals: '64 MiB', '2 GiB'"""
    for unit, factor in (('GiB', 1 << 30), ('MiB', 1 << 20), ('KiB', 1024)):
        if n >= factor and n % factor == 0:
            return f'{n // factor} {unit}'
    return f'{n} B'


def rate(n: float) -> str:
    """1000000000 -> '1 GB/s': rates of links use powers of ten"""
    for unit, factor in (('GB/s', 10 ** 9), ('MB/s', 10 ** 6),
                         ('kB/s', 10 ** 3)):
        if n >= factor:
            return f'{n / factor:.3g} {unit}'
    return f'{n} B/s'


def ms(n: Optional[float]) -> str:
    return '-' if n is None else f'{n:.0f} ms'


def percent(x: Optional[float]) -> str:
    return '-' if x is None else f'{100 * x:+.1f} %'
