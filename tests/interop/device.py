"""pratique on a device, beside which the clouds' own programs are put."""

from pathlib import Path
from typing import Any

from e2e.place import Place, Result
from lab import Lab
from lab import devices
from lab.softhsm import Token

# Who has a device's key: files, or a token.
Holder = devices.Device | Token
# Devices that get in, and those that do not, as arguments of Lab.device(). In a token is the key alone.
GOOD: dict[str, dict[str, Any]] = {
    "ec": {}, "rsa": {"kind": "rsa"}, "chain": {"kind": "rsa", "intermediates": 2},
    "ec384": {"kind": "ec384", "intermediates": 1}, "token-ec": {"kind": "ec"}, "token-ec384": {"kind": "ec384"}, "token-rsa": {"kind": "rsa"},
}
BAD: dict[str, dict[str, Any]] = {
    "stranger": {"kind": "rsa", "stranger": True, "register": False}, "ended": {"kind": "rsa", "days": -1, "begins": -10},
    "revoked": {"kind": "rsa"},
}


def holder(lab: Lab, kind: str) -> Holder:
    if kind in BAD:
        made = lab.device(kind, **BAD[kind])
        if kind == "revoked":
            lab.revoke_device(made)
        return made
    if kind.startswith("token"):
        return lab.softhsm(kind, **GOOD[kind])
    return lab.device(kind, **GOOD[kind])


def certificate_of(holder: Holder) -> devices.Device:
    if isinstance(holder, Token):
        assert holder.device
        return holder.device
    return holder


class Device:
    """With one way to one registry."""

    def __init__(self, place: Place, lab: Lab, holder: Holder, way: str) -> None:
        self.place, self.lab, self.holder = place, lab, holder
        self.entry = lab.device_entry(way)
        self.host = str(self.entry["url"])
        self.about = certificate_of(holder)
        if isinstance(holder, Token):
            place.env.update(holder.env)
        lab.device_config(place.work, holder, [self.entry])

    def get(self) -> Result:
        """What the helper would hand on, whatever it is."""
        return self.place.run("--device-config", "device.yml", "credential", "get", input=self.host, status=None)

    def password(self) -> str:
        said = self.get()
        assert said.status == 0, said.text()
        return str(said.json()["Secret"])

    def private(self, name: str, text: str) -> Path:
        """A file beside the others."""
        path = self.place.root / name
        path.touch(mode=0o600)
        path.write_text(text)
        return path
