"""The credential helper: `docker-credential-pratique get` for an ECR registry, from the last answer and with none, against
Debian's amazon-ecr-credential-helper, and against what cannot be avoided (a C program that reads a file and prints it; curl
making the one request). Then a hundred at once with no answer yet, and how often the cloud was asked."""

import shutil
import subprocess
from pathlib import Path

from pairs import BenchFailed, Command, Contestant, ratio, table
from world import PROGRAMS, World

TITLE = "A credential for a client"
ROUNDS = 60
GOAL = "Goals: cached at most 1.3 times the floor and under 2 MiB; cold faster than ecr-login and under 12 MiB; a hundred at once one call."

_HERE = Path(__file__).resolve().parent
_CONFIGURATION = "container_registries:\n- {{type: aws, url: {}, aws_creds_secret_name: aws_credentials}}\n"
_MANY = 100
_AT_ONCE = 'i=0; while [ $i -lt "$2" ]; do "$1" get <"$3" >/dev/null & i=$((i+1)); done; wait'
_FEWER = 6


class Bench:
    def __init__(self, world: World) -> None:
        self.world, lab, place = world, world.lab, world.place
        self.host = lab.hosts["ecr"]
        self.helper = str(PROGRAMS / "docker-credential-pratique")
        self.peer = shutil.which("docker-credential-ecr-login")
        if not self.peer:
            raise BenchFailed("amazon-ecr-credential-helper is not installed")
        place.write({"factory-config.yml": _CONFIGURATION.format(self.host), "host": self.host + "\n"})
        self.env = {**place.env, "PATH": f"{PROGRAMS}:{place.env['PATH']}"}
        secrets = lab.secrets_directory
        place.program(PROGRAMS / "pratique", "--secrets", secrets, "login", env=self.env)
        self.peer_env = {**place.env, "AWS_SHARED_CREDENTIALS_FILE": str(secrets / "aws_credentials"), "AWS_REGION": "us-east-2"}
        self.floor = str(place.root / "read_and_print")
        subprocess.run(["cc", "-O2", "-std=gnu17", "-o", self.floor, _HERE / "read_and_print.c"], check=True)
        # On tmpfs too.
        self.answer = world.runtime.parent / f"{world.runtime.name}.answer"

    def forget(self) -> None:
        for left in self.world.runtime.iterdir():
            left.unlink()
        shutil.rmtree(self.world.place.home / ".ecr", ignore_errors=True)

    def _command(self, argv: list[str], env: dict[str, str]) -> Command:
        return Command(argv, env, self.world.place.work, (self.host + "\n").encode())

    def cached(self) -> list[Contestant]:
        self.forget()
        answers = [subprocess.run([program, "get"], input=self.host.encode(), env=env, check=True, capture_output=True,
                                  cwd=self.world.place.work).stdout
                   for program, env in ((self.helper, self.env), (self.peer, self.peer_env))]
        self.answer.write_bytes(answers[0])
        return [
            Contestant("`docker-credential-pratique get`", lambda _: self._command([self.helper, "get"], self.env)),
            Contestant("a C program that reads a file and prints it",
                       lambda _: self._command([self.floor, str(self.answer)], self.env)),
            Contestant("`docker-credential-ecr-login get`", lambda _: self._command([self.peer, "get"], self.peer_env)),
        ]

    def cold(self) -> list[Contestant]:
        key, place = self.world.lab.credentials.aws_default, self.world.place
        folder = place.root / "given-secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "api").write_text(
            f'url = "https://{self.world.lab.hosts["ecr_api"]}/"\nuser = "{key.key_id}:{key.secret}"\n'
            'aws-sigv4 = "aws:amz:us-east-2:ecr"\n'
            'header = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"\n'
            'header = "Content-Type: application/x-amz-json-1.1"\ndata = "{}"\n')

        def fresh(command: Command) -> Command:
            self.forget()
            return command

        return [
            Contestant("`docker-credential-pratique get`", lambda _: fresh(self._command([self.helper, "get"], self.env))),
            Contestant("curl, the same request",
                       lambda _: fresh(self._command(["curl", "-sS", "--fail", "-K", str(folder / "api")], self.env))),
            Contestant("`docker-credential-ecr-login get`", lambda _: fresh(self._command([self.peer, "get"], self.peer_env))),
        ]

    def many(self, calls: dict[str, list[int]]) -> list[Contestant]:
        lab = self.world.lab

        def start(program: str, env: dict[str, str]) -> Command:
            self.forget()
            lab.clear_log()
            return Command(["/bin/sh", "-c", _AT_ONCE, "sh", program, str(_MANY), "host"], env, self.world.place.work)

        def contestant(name: str, program: str, env: dict[str, str]) -> Contestant:
            calls[name] = []
            return Contestant(name, lambda _: start(program, env))

        return [contestant("`docker-credential-pratique get`", self.helper, self.env),
                contestant("`docker-credential-ecr-login get`", self.peer, self.peer_env)]

    def compare_many(self, rounds: int) -> list[str]:
        calls: dict[str, list[int]] = {}
        contestants, lab = self.many(calls), self.world.lab
        self.world.runner.compare(
            contestants, rounds, warm_up=0,
            after=lambda contestant: calls[contestant.name].append(len(lab.requests(lab.hosts["ecr_api"]))),
        )
        told = [f"{name}: {min(counts)} to {max(counts)}" for name, counts in calls.items()]
        return [*table(contestants), "", f"Calls of the cloud's API in a round: {'; '.join(told)}."]


def sizes(bench: Bench) -> list[str]:
    """Stripped, as a package has them."""
    def stripped(program: str) -> int:
        copy = bench.world.place.root / "stripped"
        subprocess.run(["strip", "-o", copy, program], check=True)
        return copy.stat().st_size

    rows = [("`docker-credential-pratique`", stripped(bench.helper)), ("`pratique`", stripped(bench.world.pratique)),
            ("`docker-credential-ecr-login`", Path(bench.peer or "").stat().st_size)]
    return ["| installed, stripped | |", "|---|--:|", *(f"| {name} | {size / 1024:.0f} KiB |" for name, size in rows)]


def run(world: World, rounds: int) -> list[str]:
    bench = Bench(world)
    try:
        cached, cold = bench.cached(), bench.cold()
        world.runner.compare(cached, rounds, warm_up=3)
        world.runner.compare(cold, max(rounds // 3, 3))
        return [
            GOAL, "", "With an answer that is fresh:", "", *table(cached), "",
            f"Ours over the floor, run by run: {ratio(cached[0], cached[1])}.",
            "", "With no answer yet:", "", *table(cold), "",
            f"Ours over curl, run by run: {ratio(cold[0], cold[1])}; over ecr-login: {ratio(cold[0], cold[2])}.", "", f"{_MANY} at once, with no answer yet:", "", *bench.compare_many(min(rounds, _FEWER)), "", *sizes(bench),
        ]
    finally:
        bench.answer.unlink(missing_ok=True)
