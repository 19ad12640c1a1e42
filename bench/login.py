"""Logging in to one ECR and one generic registry, from configuration to credential: `pratique check` on an empty folder
against what people do today (AWS CLI and `skopeo login`, from a Python script), and against curl making the same requests."""

from pathlib import Path

from pairs import Command, Contestant, table
from world import World

TITLE = "Logging in to one ECR and one generic registry"
ROUNDS = 20
GOAL = "Goal: ours under 25 ms and 12 MiB."

_HERE = Path(__file__).resolve().parent
_CONFIGURATION = """\
container_registries:
- type: aws
  region: us-east-2
  url: {ecr}
  aws_creds_secret_name: aws_credentials
- type: generic
  url: {generic}
  generic_secret_name: ghcr_creds
"""


def _quoted(text: str) -> str:
    """For curl's configuration file."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def run(world: World, rounds: int) -> list[str]:
    lab, place = world.lab, world.place
    hosts, secrets = lab.hosts, lab.secrets_directory
    empty = place.work / "empty"
    empty.mkdir()
    place.write({"factory-config.yml": _CONFIGURATION.format(**hosts)})

    def ours(_: int) -> Command:
        world.forget()
        return Command([world.pratique, "--secrets", str(secrets), "check", str(empty)], place.env, place.work)

    def today(number: int) -> Command:
        authfile = place.work / f"auth-{number}.json"
        return Command(
            ["/usr/bin/python3", str(_HERE / "login_today.py"), str(authfile), hosts["ecr"], "us-east-2",
             hosts["generic"], str(secrets / "ghcr_creds")],
            {**place.env, "AWS_SHARED_CREDENTIALS_FILE": str(secrets / "aws_credentials")}, place.work,
        )

    key = lab.credentials.aws_default
    api = place.root / "given-secrets"
    api.mkdir(mode=0o700)
    (api / "api").write_text(
        f'url = "https://{hosts["ecr_api"]}/"\n'
        f'user = {_quoted(f"{key.key_id}:{key.secret}")}\naws-sigv4 = "aws:amz:us-east-2:ecr"\n'
        'header = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"\n'
        'header = "Content-Type: application/x-amz-json-1.1"\ndata = "{}"\n'
    )
    (api / "registries").write_text(
        f'url = "https://{hosts["ecr"]}/v2/"\nnext\nsilent\nfail\n'
        f'user = {_quoted(str(lab.credentials.generic))}\nurl = "https://{hosts["generic"]}/v2/"\n'
    )

    def floor(_: int) -> Command:
        return Command(
            ["/bin/sh", str(_HERE / "login_floor.sh"), str(api / "api"), str(api / "registries")], place.env, place.work
        )

    contestants = [
        Contestant("`pratique check` of an empty folder", ours),
        Contestant("AWS CLI and `skopeo login`", today),
        Contestant("curl, the same requests", floor),
    ]
    world.runner.compare(contestants, rounds)
    return [GOAL, "", *table(contestants)]
