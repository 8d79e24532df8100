#!/bin/sh
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts what was written into effect, as often as it is run, and notes when that was.

touch /run/triad-harden.new
sysctl --quiet --load=/etc/sysctl.d/60-triad.conf
systemctl daemon-reload
systemctl try-reload-or-restart ssh.service
systemctl try-restart apt-daily-upgrade.timer
mv /run/triad-harden.new /run/triad-harden
