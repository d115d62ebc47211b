# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that work on numbered cases"""

import contextlib
import multiprocessing
import os
import queue

from migpair import Failed, Interrupted, session


def _work(log_dir, function, todo, done):
    """One of the processes: case after case, until there are none"""
    try:
        with session(log_dir) as sess:
            # Until the None behind the last one
            for number in iter(todo.get, None):
                done.put((number, function(sess, number)))
    except (Interrupted, KeyboardInterrupt):
        # The one that has started this process reports it
        pass
    except BaseException as e:      # pylint: disable=broad-except
        done.put((None, repr(e)))
        raise


def discard_logs(nodes):
    """Of a case in which nothing is wrong: what its machines have printed"""
    for node in nodes:
        with contextlib.suppress(OSError):
            os.unlink(node.log)


def _next(done, workers):
    while True:
        try:
            return done.get(timeout=1)
        except queue.Empty:
            if not any(w.is_alive() for w in workers) and done.empty():
                raise Failed('the processes have ended') from None


def run(jobs, numbers, function, log_dir):
    """
    Call FUNCTION(session, number) for each of NUMBERS, in JOBS processes;
    yields (number, result) as they end
    """
    context = multiprocessing.get_context('fork')
    todo, done = context.Queue(), context.Queue()
    for n in numbers:
        todo.put(n)
    workers = [context.Process(target=_work,
                               args=(log_dir, function, todo, done))
               for _ in range(min(jobs, len(numbers)))]
    for w in workers:
        todo.put(None)
        w.start()
    try:
        for _ in numbers:
            number, result = _next(done, workers)
            if number is None:
                raise Failed(result)
            yield number, result
    finally:
        for w in workers:
            if w.is_alive():
                w.join(5)
            if w.is_alive():
                w.terminate()
                w.join(10)
