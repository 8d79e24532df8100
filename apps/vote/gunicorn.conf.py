# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How gunicorn serves the vote page. Two processes outlive the crash of one.

A thread spends its time waiting for the disk of the queue. There are so many that some are left for health checks when
the queue is silent, which holds each thread with a vote for seconds.
"""

bind = "0.0.0.0:80"
worker_class = "gthread"
workers = 2
threads = 16
# Below the ten seconds that Docker grants between SIGTERM and SIGKILL.
graceful_timeout = 8
# The heartbeat files of the processes: never on a disk that may stall.
worker_tmp_dir = "/dev/shm"
