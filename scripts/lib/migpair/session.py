# SPDX-License-Identifier: GPL-2.0-or-later
"""
What all QEMUs of a script share: directories, and the thread that reads their
monitors and consoles
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import threading

from . import tickrom
from .errors import Failed, Interrupted
from .process import TIMEOUT


class Loop:
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
    """Temporary directory, log directory, guest ROM, and the thread above"""

    def __init__(self, log_dir):
        self.log_dir = os.path.abspath(log_dir)
        try:
            os.makedirs(self.log_dir, exist_ok=True)
            self.tmp = tempfile.mkdtemp(prefix='vfio-mig-')
        except OSError as e:
            raise Failed(f'cannot make a directory: {e}') from None
        # Of the guest that rewrites 64 MiB, and of the one that does not
        self.busy_rom = self._write_rom('busy.rom', 64 << 20)
        self.rom = self._write_rom('tick.rom', 0)
        self.loop = Loop()
        self.parts = []

    def _write_rom(self, name, rewrite):
        path = os.path.join(self.tmp, name)
        try:
            with open(path, 'wb') as f:
                f.write(tickrom.image(rewrite))
        except OSError as e:
            shutil.rmtree(self.tmp, ignore_errors=True)
            raise Failed(f'cannot write {path}: {e.strerror}') from None
        return path

    def close(self):
        for part in list(self.parts):
            part.close()
        self.loop.close()
        shutil.rmtree(self.tmp, ignore_errors=True)


@contextlib.contextmanager
def session(log_dir):
    """
    A Session.  Whatever ends the script, also a signal: no process of the
    session keeps running and its temporary files are removed; logs stay.
    """
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
