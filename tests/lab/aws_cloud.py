"""All of the lab's AWS: ECR's API and registries in several regions and partitions, the public gallery, STS, SSO, and the
services beside an instance and a container."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import iot, roles_anywhere
from .aws_identity import ACCOUNT, REGION, Identities
from .aws_near import SSO_ROLE, SSO_START_URL, ContainerCredentials, InstanceMetadata, SsoPortal
from .aws_roles import Roles
from .clock import Clock
from .devices import DeviceAuthority
from .ecr_api import EcrApi, EcrPublicApi
from .ecr_public import PublicGallery
from .ecr_registry import EcrRegistry, LayerBucket, LayerLinks
from .oidc import Issuer
from .service import Service
from .sts_api import StsApi


@dataclass(frozen=True)
class Place:
    """A region of a partition, by one kind of endpoints."""

    region: str
    suffix: str
    registry: str
    api: str
    sts: str


PLACES = {
    "cn": Place(
        "cn-north-1", "amazonaws.com.cn", f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "api.ecr.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn",
    ),
    "gov_fips": Place(
        "us-gov-west-1", "amazonaws.com", f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        "ecr-fips.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com",
    ),
    "fips": Place(
        "us-east-1", "amazonaws.com", f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com",
        "ecr-fips.us-east-1.amazonaws.com", "sts-fips.us-east-1.amazonaws.com",
    ),
    "ireland": Place(
        "eu-west-1", "amazonaws.com", f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com", "api.ecr.eu-west-1.amazonaws.com",
        "sts.eu-west-1.amazonaws.com",
    ),
    "dual": Place(
        "eu-west-1", "on.aws", f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws", "ecr.eu-west-1.api.aws", "sts.eu-west-1.api.aws",
    ),
}
HOSTS = {
    "ecr": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
    "ecr_api": f"api.ecr.{REGION}.amazonaws.com",
    "ecr_layers": f"prod-{REGION}-starport-layer-bucket.s3.{REGION}.amazonaws.com",
    "ecr_public": "public.ecr.aws",
    "ecr_public_api": "api.ecr-public.us-east-1.amazonaws.com",
    "sts": f"sts.{REGION}.amazonaws.com",
    "sso": f"portal.sso.{REGION}.amazonaws.com",
    "iot": iot.ENDPOINT,
    "iot_data": iot.DATA_ENDPOINT,
    "roles_anywhere": roles_anywhere.host(),
    "roles_anywhere_ireland": roles_anywhere.host("eu-west-1"),
    **{f"ecr_{name}": place.registry for name, place in PLACES.items()},
    **{f"ecr_api_{name}": place.api for name, place in PLACES.items()},
    **{f"sts_{name}": place.sts for name, place in PLACES.items()},
}


class AwsCloud:
    def __init__(
        self, identities: Identities, issuers: dict[str, Issuer], clock: Clock, authorities: list[DeviceAuthority]
    ) -> None:
        """`authorities` are those of devices, to which more may be added later."""
        self._identities = identities
        self._clock = clock
        self.roles = Roles(identities, issuers, clock)
        self.sso = SsoPortal(HOSTS["sso"], self.roles, clock)
        self.instance = InstanceMetadata(self.roles)
        self.container = ContainerCredentials(self.roles)
        self.ecr_api = EcrApi(HOSTS["ecr_api"], identities, clock)
        self.things = iot.Things()
        self.iot = iot.IotCredentials(HOSTS["iot"], self.things, self.roles)
        self.anywhere = {region: roles_anywhere.Anywhere(region, authorities) for region in roles_anywhere.REGIONS}
        self.ecr: EcrRegistry
        self.gallery: PublicGallery

    def services(self, socket: Path, storage: Path) -> list[Service]:
        """Those with names, over one docker-registry."""
        links = LayerLinks(HOSTS["ecr_layers"])
        self.ecr = EcrRegistry(HOSTS["ecr"], self._identities, socket, storage, links)
        self.gallery = PublicGallery(HOSTS["ecr_public"], self._identities, socket)
        services: list[Service] = [
            self.ecr, self.ecr_api, self.sso, self.gallery, LayerBucket(HOSTS["ecr_layers"], socket, links),
            EcrPublicApi(HOSTS["ecr_public_api"], self._identities, self._clock),
            StsApi(HOSTS["sts"], self._identities, self.roles, self._clock, REGION),
            self.iot, iot.IotData(HOSTS["iot_data"]),
            *(roles_anywhere.RolesAnywhereApi(a, self.roles, self._clock) for a in self.anywhere.values()),
        ]
        for place in PLACES.values():
            registry = EcrRegistry(place.registry, self._identities, socket, storage, links, place.region)
            registry.created = self.ecr.created
            services += [
                registry, EcrApi(place.api, self._identities, self._clock, place.region, place.suffix),
                StsApi(place.sts, self._identities, self.roles, self._clock, place.region),
            ]
        return services

    def restore_devices(self) -> None:
        self.things.restore()
        self.roles.restore()
        for anywhere in self.anywhere.values():
            anywhere.restore()

    def near(self) -> list[Service]:
        """Those at addresses of this machine, in plain HTTP."""
        return [self.instance, self.container]

    def secret_values(self) -> list[str]:
        return [
            *self._identities.issued_passwords(), *self.roles.secret_values(), *self.sso.tokens(),
            *self.instance.tokens(), *self.gallery.issued_tokens,
        ]

    def instance_env(self) -> dict[str, str]:
        return {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self.instance.name}/",
        }

    def container_env(self) -> dict[str, str]:
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{self.container.name}{self.container.PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.container.token,
        }

    def sso_files(self, session: str, lifetime: int) -> tuple[str, dict[str, Any]]:
        """The text of a ~/.aws/config with a profile `sso` of that SSO session, and what its cached token is."""
        token, ends = self.sso.login(lifetime)
        config = (
            f"[profile sso]\nsso_session = {session}\nsso_account_id = {ACCOUNT}\nsso_role_name = {SSO_ROLE}\n"
            f"[sso-session {session}]\nsso_region = {REGION}\nsso_start_url = {SSO_START_URL}\n"
            "sso_registration_scopes = sso:account:access\n"
        )
        return config, {"startUrl": SSO_START_URL, "region": REGION, "accessToken": token, "expiresAt": ends}


def process_keys(key_id: str, secret: str) -> str:
    """What a credential_process prints."""
    return json.dumps({"Version": 1, "AccessKeyId": key_id, "SecretAccessKey": secret})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
