#!/bin/sh
# Run within the booted system: asks the stand-in agent, as root, as a member of the group and as a stranger; then the real
# one.
exec >/probe/log 2>&1
ask='
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[3:]]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1]))
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(60)
    s.connect("/run/pratique-device/socket")
    while data := s.recv(65536):
        sys.stdout.buffer.write(data)
'
state() {
    systemctl show -p ActiveState --value "$1"
}
{
    state pratique-device.socket
    systemctl enable --now pratique-device.socket
    state pratique-device.socket
    state pratique-device.service
    stat -c '%a %U %G' /run/pratique-device/socket
} >/probe/before 2>/dev/null
python3 -c "$ask" 0 0 >/probe/root
python3 -c "$ask" 1234 1234 "$(getent group pratique | cut -d: -f3)" >/probe/member
python3 -c "$ask" 1234 1234 >/probe/stranger 2>&1
{
    state pratique-device.service
    systemctl kill -s KILL pratique-device.service
    sleep 1
    systemctl show -p SubState --value pratique-device.service
    systemctl stop pratique-device.service
    ls /run/pratique
    systemctl is-active pratique-device.socket
} >/probe/after 2>/dev/null
rm /etc/systemd/system/pratique-device.service.d/stand-in.conf /etc/default/pratique-device
systemctl daemon-reload
python3 -c '
import socket
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(60)
    s.connect("/run/pratique-device/socket")
    s.sendall(b"get hub.example.com\n")
    while data := s.recv(65536):
        print(data.decode())
' >/probe/answer 2>&1
{
    state pratique-device.service
    systemctl reload pratique-device.service && echo reloaded
    sleep 1
    state pratique-device.service
    sed -n 's/^VmRSS:[^0-9]*//p' "/proc/$(systemctl show -p MainPID --value pratique-device.service)/status"
    systemctl stop pratique-device.service
    systemctl show -p Result --value pratique-device.service
} >/probe/real 2>/dev/null
{
    export HOME=/root
    systemctl disable -q --now pratique-device.socket
    pratique device setup 2>&1
    echo "status $?"
    systemctl is-enabled pratique-device.socket pratique-device.service
    state pratique-device.service
    echo hub.example.com | docker-credential-pratique get
    pratique device setup --undo 2>&1
    echo "status $?"
    systemctl is-enabled pratique-device.socket pratique-device.service
    state pratique-device.socket
    find /root -name '*pratique*' -o -name config.json
} >/probe/setup 2>/dev/null
journalctl -q --no-pager -u pratique-device.service -o cat >/probe/journal 2>&1
systemctl poweroff --force
