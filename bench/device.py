"""A device's `get` for an ECR registry through AWS IoT, with nothing but its certificate: cold (two TLS handshakes, two
requests) and from the last answer. Against a C program on libcurl that makes these two requests and does nothing else, and
against the script that devices run today: curl for the keys, openssl for the certificate's dates, the AWS CLI for the
password. Then the same with the key in a token of SoftHSM. And from the service that keeps it (`device serve`), as users get it
who may not read the key; what that service weighs is what it weighs after all these questions."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from pairs import BenchFailed, Command, Contestant, ratio, table
from world import PROGRAMS, World

TITLE = "A credential for a device"
ROUNDS = 40
GOAL = "Goals: cold at most 1.3 times the floor; cached as a client's; the service under 8 MiB."

_HERE = Path(__file__).resolve().parent
_SLOW = 5


class Bench:
    def __init__(self, world: World) -> None:
        self.world, lab, place = world, world.lab, world.place
        self.host = lab.hosts["ecr"]
        self.helper = str(PROGRAMS / "docker-credential-pratique")
        self.device = lab.device("dev-7", kind="ec")
        self.token = lab.softhsm("dev-8", kind="ec")
        self.env = {**place.env, "PATH": f"{PROGRAMS}:{place.env['PATH']}", **self.token.env}
        self.floor = str(place.root / "two_requests")
        self.floor_cached = str(place.root / "read_and_print")
        for program, libraries in ((self.floor, ["-lcurl"]), (self.floor_cached, [])):
            source = (_HERE / Path(program).name).with_suffix(".c")
            subprocess.run(["cc", "-O2", "-std=gnu17", "-o", program, source, *libraries], check=True)
        self.answer = world.runtime.parent / f"{world.runtime.name}.answer"

    def bind(self, name: str, who: object) -> dict[str, str]:
        """A home whose client is bound to a device.yml; its environment."""
        home = self.world.place.root / name
        home.mkdir()
        config = self.world.lab.device_config(home, who, ["iot"])
        env = {**self.env, "HOME": str(home)}
        done = subprocess.run(
            [self.world.pratique, "--device-config", config, "device", "setup", "--no-units", "-q"],
            env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchFailed(f"device setup: {done.stderr}")
        return env

    def _get(self, env: dict[str, str]) -> Command:
        return Command([self.helper, "get"], env, self.world.place.work, (self.host + "\n").encode())

    def _cold(self, env: dict[str, str]) -> Command:
        self.world.forget()
        return self._get(env)

    def cold(self, env: dict[str, str]) -> list[Contestant]:
        lab, place = self.world.lab, self.world.place
        iot = f"https://{lab.hosts['iot']}/role-aliases/ecr-pull/credentials"
        given = place.root / "two_requests.lines"
        given.write_text("\n".join([
            iot, str(self.device.certificate_file), str(self.device.key_file),
            str(Path(lab.env()["SSL_CERT_FILE"]).with_name("certs")), f"https://{lab.hosts['ecr_api']}/", ""]))
        return [
            Contestant("`docker-credential-pratique get`", lambda _: self._cold(env)),
            Contestant("a C program on libcurl, the two requests",
                       lambda _: Command([self.floor, str(given)], self.env, place.work)),
        ]

    def kept(self, floor: Contestant) -> list[Contestant]:
        """Not by the helper, which passes on no variable that decides what code runs, such as that of a PKCS#11 module."""
        folder = self.world.place.root / "token"
        folder.mkdir()
        config = str(self.world.lab.device_config(folder, self.token, ["iot"]))
        env = {**self.env, "HOME": str(folder)}
        argv = [self.world.pratique, "--device-config", config, "credential", "get"]

        def fresh() -> Command:
            self.world.forget()
            return Command(argv, env, self.world.place.work, (self.host + "\n").encode())

        return [Contestant("`pratique credential get`", lambda _: fresh()), Contestant(floor.name, floor.prepare)]

    def today(self) -> Contestant:
        lab = self.world.lab
        iot = f"https://{lab.hosts['iot']}/role-aliases/ecr-pull/credentials"
        return Contestant("curl, openssl and the AWS CLI in a script", lambda _: Command(
            [str(_HERE / "device_today.sh"), iot, str(self.device.certificate_file), str(self.device.key_file), self.device.name],
            self.env, self.world.place.work))

    def cached(self, env: dict[str, str]) -> list[Contestant]:
        self.world.forget()
        given = self._get(env)
        answer = subprocess.run(given.argv, input=given.input, env=env, cwd=given.cwd, check=True, capture_output=True)
        self.answer.write_bytes(answer.stdout)
        return [
            Contestant("`docker-credential-pratique get`", lambda _: self._get(env)),
            Contestant("a C program that reads a file and prints it",
                       lambda _: Command([self.floor_cached, str(self.answer)], env, self.world.place.work)),
        ]

    @contextlib.contextmanager
    def service(self, env: dict[str, str]) -> Iterator[tuple[dict[str, str], subprocess.Popen[bytes]]]:
        """The agent, and the environment of one whose binding names its socket and no cache."""
        home, place = Path(env["HOME"]), self.world.place
        other = place.root / "served"
        shutil.copytree(home, other)
        binding, path = other / ".docker/config.json.pratique", place.root / "agent.socket"
        lines = [line for line in binding.read_text().splitlines() if line.split()[0] not in ("cache", "socket", "end")]
        binding.write_text("\n".join([*lines, f"socket {path}", "end", ""]))
        agent = subprocess.Popen([self.world.pratique, "--device-config", home / "device.yml", "device", "serve", "--socket", path],
                                 env=self.env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                if path.exists():
                    break
                time.sleep(0.05)
            yield {**env, "HOME": str(other)}, agent
        finally:
            agent.terminate()
            agent.wait(20)

    def served(self, env: dict[str, str]) -> list[Contestant]:
        return [
            Contestant("`docker-credential-pratique get`, from the service", lambda _: self._get(env)),
            Contestant("a C program that reads a file and prints it",
                       lambda _: Command([self.floor_cached, str(self.answer)], env, self.world.place.work)),
        ]


def resident(process: subprocess.Popen[bytes]) -> int:
    """KiB."""
    return int(Path(f"/proc/{process.pid}/status").read_text().split("VmRSS:")[1].split()[0])


def run(world: World, rounds: int) -> list[str]:
    bench = Bench(world)
    try:
        files = bench.bind("files", bench.device)
        cold, cached = bench.cold(files), bench.cached(files)
        world.runner.compare(cold, rounds, warm_up=3)
        slow = [Contestant(cold[0].name, cold[0].prepare), bench.today()]
        world.runner.compare(slow, min(rounds, _SLOW))
        world.runner.compare(cached, rounds, warm_up=3)
        with bench.service(files) as (env, agent):
            served = bench.served(env)
            world.runner.compare(served, rounds, warm_up=3)
            weight = resident(agent)
        kept = bench.kept(cold[1])
        world.runner.compare(kept, rounds, warm_up=3)
        return [
            GOAL, "", "Cold, the key in a file:", "", *table(cold), "",
            f"Ours over the floor, run by run: {ratio(cold[0], cold[1])}.", "",
            "The same beside what devices run today:", "", *table(slow), "",
            "With an answer that is fresh:", "", *table(cached), "",
            f"Ours over the floor, run by run: {ratio(cached[0], cached[1])}.", "",
            "From the service, which has it:", "", *table(served), "",
            f"Ours over the floor, run by run: {ratio(served[0], served[1])}. Resident memory of the service: {weight / 1024:.1f} MiB.", "",
            "Cold, the key in a token of SoftHSM (the floor's is in a file):", "", *table(kept), "",
            f"Ours over the floor, run by run: {ratio(kept[0], kept[1])}.",
        ]
    finally:
        bench.answer.unlink(missing_ok=True)
