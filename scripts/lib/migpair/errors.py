# SPDX-License-Identifier: GPL-2.0-or-later
"""How a script of this project ends early"""


class Failed(Exception):
    """Something did not work; the text names it and the reason"""


class Interrupted(BaseException):
    """A signal ends the script"""
