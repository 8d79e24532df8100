# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How gunicorn serves the vote page. Two processes outlive the crash of one; threads wait for the queue."""

bind = "0.0.0.0:80"
worker_class = "gthread"
workers = 2
threads = 8
# Below the ten seconds that Docker grants between SIGTERM and SIGKILL.
graceful_timeout = 8
# The heartbeat files of the processes: never on a disk that may stall.
worker_tmp_dir = "/dev/shm"
