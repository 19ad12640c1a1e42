"""The part of a lab that is about devices: making them, what the services know of them, and their configuration."""

import json
from pathlib import Path
from typing import Any

from . import iam, iot
from .aws_cloud import AwsCloud
from .aws_identity import ACCOUNT, REGION
from .ca import Authority
from .credentials import Credentials
from .devices import Device, DeviceAuthority, DeviceFactory, PublicKey, pem
from .entra import TENANT, Application, Directory
from .files import write_private
from .gateway import Fleet
from .google import Cloud, StsService, account, provider, subject
from .nginx import Nginx
from .softhsm import Token, generate, import_device, new_token

# How a device gets into a registry, by the name of the way.
WAYS = ("iot", "roles_anywhere", "entra", "federation", "gateway")
FILES = ("file:aws", "file:azure", "file:gar", "file:generic")


class DeviceControls:
    """Every public method can be called by HTTP too. Where a device is asked for, its name stands for the last one of it."""

    hosts: dict[str, str]
    aws: AwsCloud
    credentials: Credentials
    directory_service: Directory
    fleet: Fleet
    gateway_authority: Authority
    google: Cloud
    google_mutual: StsService
    nginx: Nginx | None
    secrets_directory: Path
    directory: Path

    # Making.

    def device(
        self, name: str = "dev-7", kind: str = "ec", *, intermediates: int = 0, stranger: bool = False, register: bool = True,
        **how: Any,
    ) -> Device:
        """A certificate whose common name is the thing's, and its key, as files.

        `kind`: ec (P-256), ec384, rsa (2048). `intermediates`: how many between it and the root. `stranger`: signed by
        another authority. `register`: everywhere. And `days` and `begins` from now (negative days: it has ended; positive
        begins: not valid yet), `client_auth=False`, `digital_signature=False`, `mismatched=True` (the file of another key).
        """
        device = self._factory.make(name, kind, self._authority(intermediates, stranger), **how)
        if register:
            self.register_device(device)
        return device

    def softhsm(
        self, name: str = "dev-7", kind: str = "ec", *, device: Device | str | None = None, intermediates: int = 0,
        register: bool = True, label: str = "device", **how: Any,
    ) -> Token:
        """A SoftHSM token with a key that was made in it, and a new device's certificate; or the key of `device`."""
        folder = self._factory.folder()
        if device is not None:
            known = self._factory.find(device)
            token = new_token(folder, label, known.name)
            import_device(token, known)
        else:
            token = new_token(folder, label, name)
            public: PublicKey = generate(token, kind)
            known = self._factory.make(name, kind, self._authority(intermediates, False), public_key=public, **how)
            token.put(known.certificate)
            if register:
                self.register_device(known)
        token.device = known
        self._pins.append(token.pin)
        return token

    def register_device(self, device: Device | str) -> None:
        """Every service that keeps a list has it in it: AWS IoT (active, its thing attached, every alias allowed), Entra ID
        (of the application azure_pull), Google's project (which it may read, and become `deployer` in), the gateway."""
        known = self._factory.find(device)
        self.aws.things.register(known)
        self.google.grants[subject(known.name)] = frozenset({"downloadArtifacts"})
        self.google.creators[account("deployer")].add(subject(known.name))
        self.fleet.known.add(known.name)
        self._registered.append(known)
        self._application().certificates.append(known.certificate)

    def revoke_device(self, device: Device | str) -> None:
        """In mid-life, everywhere: REVOKED at AWS IoT, in the lists of the authority, which Roles Anywhere and the gateway
        have, and no more in Entra ID. Google has no revocation. What was issued lives on, but for the gateway's."""
        known = self._factory.find(device)
        known.issuer.revoke(known.certificate)
        if known.fingerprint in self.aws.things.registered:
            self.aws.things.entry(known).state = "REVOKED"
        application = self._application()
        application.certificates = [c for c in application.certificates if c != known.certificate]
        self._reload_gateway()

    # What services know.

    def set_iot_certificate(self, device: Device | str, state: str) -> None:
        """ACTIVE, INACTIVE, REVOKED, PENDING_ACTIVATION."""
        if state not in iot.STATES:
            raise ValueError(f"no state {state}; there are {', '.join(iot.STATES)}")
        self.aws.things.entry(self._factory.find(device)).state = state

    def forget_iot_certificate(self, device: Device | str) -> None:
        """As one that was never registered."""
        self.aws.things.registered.pop(self._factory.find(device).fingerprint, None)

    def set_iot_things(self, device: Device | str, things: list[str]) -> None:
        """Those that are attached to its certificate."""
        self.aws.things.entry(self._factory.find(device)).things = set(things)

    def attach_iot_policies(self, device: Device | str, documents: list[dict[str, Any]]) -> None:
        """In place of those that its certificate has."""
        self.aws.things.entry(self._factory.find(device)).policies = [dict(d) for d in documents]

    def set_iot_alias(self, name: str, role: str | None = "device-pull", seconds: int = 3600) -> None:
        """A role alias; without a role there is none."""
        if role is None:
            self.aws.things.aliases.pop(name, None)
        else:
            self.aws.things.aliases[name] = iot.check_alias(role, seconds)

    def set_iot_answers(self, json_errors: bool = True) -> None:
        """Whether a refusal with 403 has a body in JSON."""
        self.aws.things.json_errors = json_errors

    def set_iot_tls(self, newest: str | None = None) -> None:
        """`1.2`: a bad certificate is refused within the handshake; with 1.3 the client reads it after that."""
        self.aws.iot.limit_tls(newest)

    def set_azure_device(self, device: Device | str, registered: bool = True, user: str | None = None) -> None:
        """Whether an application, azure_pull unless told by its client id, has the device's certificate."""
        application = self.directory_service.applications[user or self.credentials.azure_pull.user]
        certificate = self._factory.find(device).certificate
        application.certificates = [c for c in application.certificates if c != certificate] + [certificate] * registered

    def set_role_trust(self, role: str, document: dict[str, Any] | None) -> None:
        """A role's trust policy as a document; null: what it had (aws_roles.py)."""
        self.aws.roles.role(role).trust = document

    def attach_role_policies(self, role: str, documents: list[dict[str, Any]]) -> None:
        """From now on these IAM policies alone say what sessions of the role that are new may do."""
        self.aws.roles.role(role).policies = [iam.check(document) for document in documents]

    def set_roles_anywhere(self, region: str = REGION, **changes: Any) -> None:
        """`quota`: sessions a second, AWS has 10 (null: any number); `crls`: whether the revocation lists were imported."""
        _change(self.aws.anywhere[region], changes, "quota", "crls")

    def set_trust_anchor(self, region: str = REGION, enabled: bool = True, strangers: bool = False) -> None:
        """`strangers`: it is another authority's."""
        anchor = self.aws.anywhere[region].anchors[self.aws.anywhere[region].trust_anchor_arn()]
        anchor.enabled = enabled
        anchor.authorities = [self.strangers if strangers else self.devices]

    def set_profile(self, region: str = REGION, **changes: Any) -> None:
        """`roles` (names), `seconds`, `enabled`, `role_session_names` of the profile."""
        profile = self.aws.anywhere[region].profiles[self.aws.anywhere[region].profile_arn()]
        _change(profile, changes, "roles", "seconds", "enabled", "role_session_names")

    def set_google_trust(self, anchors: list[str] | None = None, intermediates: bool = False) -> None:
        """The trust store of the provider x509: `devices` (unless told) and `strangers`; and whether the first intermediate
        is in it, so that a device need not show it."""
        store = self.google.providers[provider("x509")]
        known = {"devices": self.devices, "strangers": self.strangers}
        store.anchors = [known[name].certificate for name in (["devices"] if anchors is None else anchors)]
        store.intermediates = [self._authority(1, False).certificate] if intermediates else []

    def deny_device(self, device: Device | str, denied: bool = True) -> None:
        """The gateway answers it 403, and the hub does not know what it got there."""
        name = self._factory.find(device).name
        (self.fleet.denied.add if denied else self.fleet.denied.discard)(name)

    def forget_device(self, device: Device | str) -> None:
        """The gateway does not know it: 403."""
        self.fleet.known.discard(self._factory.find(device).name)

    def set_gateway(self, verify: str = "on", lifetime: int = 3600) -> None:
        """`verify`: `on`, nginx itself answers 400 where there is no certificate that will do; `optional`, the gateway then
        answers 403. `lifetime` of what it hands out."""
        if verify not in ("on", "optional"):
            raise ValueError("verify is on or optional")
        self.fleet.lifetime = lifetime
        if self.nginx and self.nginx.verify != verify:
            self.nginx.verify = verify
            self.nginx.reload()

    def expire_gateway_credentials(self) -> None:
        """The hub refuses what was handed out so far."""
        self.fleet.expire()

    @property
    def gateway_ca(self) -> Path:
        """The authority of the gateway's own certificate, which no other file of trust has in it: `identity.ca`."""
        return self.gateway_authority.certificate_file

    # Configuration.

    def device_entry(self, way: str) -> dict[str, Any]:
        """An entry of `registries` in a device.yml; see WAYS and FILES."""
        hosts = self.hosts
        if way.startswith("file:"):
            return self._file_entry(way.removeprefix("file:"))
        match way:
            case "iot":
                return {"type": "aws", "url": hosts["ecr"], "iot": {"endpoint": iot.ENDPOINT, "role_alias": "ecr-pull"}}
            case "roles_anywhere":
                anywhere = self.aws.anywhere["eu-west-1"]
                return {"type": "aws", "url": hosts["ecr_ireland"], "roles_anywhere": {
                    "profile_arn": anywhere.profile_arn(), "role_arn": f"arn:aws:iam::{ACCOUNT}:role/device-anywhere",
                    "trust_anchor_arn": anywhere.trust_anchor_arn(),
                }}
            case "entra":
                return {"type": "azure", "url": hosts["azure"], "entra": {
                    "tenant": TENANT, "client_id": self.credentials.azure_pull.user,
                }}
            case "federation":
                return {"type": "gar", "url": hosts["google"], "federation": {
                    "audience": f"//iam.googleapis.com/{provider('x509')}",
                }}
            case "gateway":
                return {"type": "gateway", "url": hosts["fleet"], "gateway": f"https://{hosts['gateway']}"}
        raise ValueError(f"no way {way}; there are {', '.join(WAYS + FILES)}")

    def device_config(
        self, directory: str | Path, device: Device | Token | str, registries: list[str | dict[str, Any]] | None = None, *,
        identity: dict[str, Any] | None = None,
    ) -> Path:
        """Writes DIRECTORY/device.yml. `registries` are names of ways or entries, all five ways unless told; `identity`
        changes its settings, null leaving one out."""
        if isinstance(device, Token):
            settings: dict[str, Any] = {"certificate": device.certificate_uri, "key": device.key_uri}
        else:
            known = self._factory.find(device)
            settings = {"certificate": str(known.certificate_file), "key": str(known.key_file)}
        settings |= {"ca": str(self.gateway_ca), **(identity or {})}
        lines = ["identity:", *(f"  {name}: {json.dumps(value)}" for name, value in settings.items() if value is not None)]
        lines.append("registries:")
        for way in WAYS if registries is None else registries:
            entry = self.device_entry(way) if isinstance(way, str) else way
            for number, (name, value) in enumerate(entry.items()):
                # JSON in the value: it is YAML, and quotes whatever is in it.
                lines.append(f"{'  ' if number else '- '}{name}: {json.dumps(value)}")
        path = Path(directory) / "device.yml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def _device_secrets(self) -> list[str]:
        return [*self._factory.secrets, *self._pins]

    def restore_devices(self) -> None:
        """Devices and authorities stay; what was done to them is undone."""
        self.aws.restore_devices()
        self.aws.iot.limit_tls(None)
        revoked = [authority for authority in self.authorities if authority.revoked]
        for authority in revoked:
            authority.revoked.clear()
        self.fleet.restore()
        self.set_google_trust()
        self.set_gateway()
        if revoked:
            self._reload_gateway()
        for device in self._registered:
            self.aws.things.register(device)
            self.fleet.known.add(device.name)
        self._application().certificates = [device.certificate for device in self._registered]

    # Inside.

    def _make_authorities(self, directory: Path) -> None:
        self.devices = DeviceAuthority()
        self.strangers = DeviceAuthority("Somebody Else")
        # The root, and one below the other.
        self.authorities = [self.devices, DeviceAuthority("Acme Workloads 1", self.devices)]
        self._factory = DeviceFactory(directory)
        self.set_google_trust()
        self._registered: list[Device] = []
        self._pins: list[str] = []

    def _authority(self, depth: int, stranger: bool) -> DeviceAuthority:
        if stranger:
            return self.strangers
        while len(self.authorities) <= depth:
            number = len(self.authorities)
            self.authorities.append(DeviceAuthority(f"Acme Workloads {number}", self.authorities[-1]))
            self._introduce(self.authorities[-1])
            self._reload_gateway()
        return self.authorities[depth]

    def _introduce(self, authority: DeviceAuthority) -> None:
        """To those that look at certificates in the handshake."""
        self.google_mutual.meet(authority)
        if authority is not self.strangers:
            self.aws.iot.meet(authority)

    def _application(self) -> Application:
        return self.directory_service.applications[self.credentials.azure_pull.user]

    def _write_gateway_files(self) -> tuple[Path, Path]:
        """Whom nginx trusts as clients, and what was revoked."""
        clients, crl = self.directory / "gateway" / "clients.pem", self.directory / "gateway" / "crl.pem"
        clients.write_bytes(pem([self.devices.certificate]))
        crl.write_bytes(b"".join(authority.crl() for authority in self.authorities))
        return clients, crl

    def _reload_gateway(self) -> None:
        self._write_gateway_files()
        if self.nginx:
            self.nginx.reload()

    def _file_entry(self, kind: str) -> dict[str, Any]:
        hosts, secrets = self.hosts, self.secrets_directory
        match kind:
            case "aws":
                return {"type": "aws", "url": hosts["ecr"], "credentials_file": str(secrets / "aws_credentials")}
            case "azure":
                return {"type": "azure", "url": hosts["azure"], "credentials_file": str(secrets / "azprincipal")}
            case "gar":
                file = secrets / "google_key.json"
                if not file.exists():
                    write_private(file, json.dumps(self.google.key("ci-pull")))
                return {"type": "gar", "url": hosts["google"], "credentials_file": str(file)}
            case "generic":
                return {"type": "generic", "url": hosts["generic"], "credentials_file": str(secrets / "ghcr_creds")}
        raise ValueError(f"no kind of file {kind}; there are {', '.join(FILES)}")


def _change(thing: object, changes: dict[str, Any], *allowed: str) -> None:
    for name, value in changes.items():
        if name not in allowed:
            raise ValueError(f"there is no {name}, but {', '.join(allowed)}")
        setattr(thing, name, value)
