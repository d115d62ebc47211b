# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scripts/bench measures.  Each group is a module with

    measure(bench) -> raw      run the QEMUs
    judge(bench, raw) -> (numbers, targets)
                               numbers as they go into the JSON file, and what
                               has been reached
    render(bench, numbers, targets) -> lines
                               Markdown
"""

from . import downtime, prediction, query, ram, reinit, throughput, waiting

GROUPS = {'downtime': downtime, 'prediction': prediction,
          'throughput': throughput, 'query': query, 'reinit': reinit,
          'waiting': waiting, 'ram': ram}
# These need no QEMU but the one with the series
SERIES_ALONE = {'reinit'}
