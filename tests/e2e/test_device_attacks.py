"""What somebody on the device, or on its way to a cloud, could try against it."""

import os
import socket
import ssl
import stat
import threading

import pytest

from .own_device import INSTALLED, Device, in_namespace, namespaces

SOMEBODY = 4242


@pytest.fixture
def device(place):
    return Device(place)


@namespaces
def test_mending_makes_nobodys_file_a_program_of_root(device):
    """Whoever owns a file that device.yml names decides its mode: with setuid, --fix would hand it to root as it is."""
    for path, mode in ((device.certificate, 0o6775), (device.ca, 0o4755)):
        os.chown(path, SOMEBODY, SOMEBODY)
        path.chmod(mode)
    shown = device.run("device", "setup", status=2)
    assert f"chmod 755 {device.ca}" in shown.err and "chmod 4755" not in shown.err
    device.run("device", "setup", "--no-units", "--fix", status=None)
    for path in (device.certificate, device.ca):
        assert path.stat().st_uid == 0 and stat.S_IMODE(path.stat().st_mode) == 0o755
