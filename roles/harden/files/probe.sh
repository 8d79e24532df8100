#!/bin/sh
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tells what is on the host, a fact a line:
#   missing PACKAGE | port SSH_PORT | folder MISSING_FOLDER | file SHA256 MODE:UID:GID PATH
#   needrestart | firewall (in force) | effect (what was written is in effect)
# usage: sh -s -- "PACKAGE ..." PATH ...

packages=$1
shift

for package in $packages; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        echo "missing $package"
done

{
    sshd -T 2>/dev/null | sed -n 's/^port //p'
    ss --no-header --listening --tcp --numeric --processes 2>/dev/null |
        awk '/"sshd"/ && $4 !~ /^(127[.]|\[::1\])/ { sub(".*:", "", $4); print $4 }'
} | sort -nu | sed 's/^/port /'

for path; do
    folder=${path%/*}
    [ -d "$folder" ] || echo "folder $folder"
    [ -f "$path" ] || continue
    digest=$(sha256sum <"$path")
    echo "file ${digest%% *} $(stat --format=%a:%u:%g "$path") $path"
done

[ ! -d /etc/needrestart/conf.d ] || echo needrestart
! /usr/local/sbin/triad-firewall status >/dev/null 2>&1 || echo firewall
[ ! -e /run/triad-harden ] || [ -n "$(find "$@" -newer /run/triad-harden 2>/dev/null)" ] || echo effect
