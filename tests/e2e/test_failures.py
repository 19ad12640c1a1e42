"""What goes wrong, in exact words: nothing may be half-published, and after the mend the build goes through."""

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .factory import MACHINE, SMALL, Factory, matches
from .processes import children_below, is_running, start, wait_until

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
USING = "pratique: using factory-config.yml\n"
# An app of an image of each registry, without anything to build.
ALL = {
    "app/docker-compose.yml": (
        "services:\n"
        "  cache:\n"
        "    image: ghcr.example.com/acme/redis:7\n"
        "  web:\n"
        "    image: acme.azurecr.io/web/nginx:1.25\n"
        "  base:\n"
        f"    image: {ECR}/base:1.2\n"
    )
}
BUILT = {"x/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nRUN echo good > /good\n"}
STORE = "looked in the store <any>/.local/share/pratique/secrets.db"


@pytest.fixture(scope="module")
def shared(session, running_lab):
    """One for all tests that need no repository of their own; there is a first Target in it."""
    factory = Factory.ready(session, running_lab)
    factory.write(ALL)
    factory.build()
    return factory


@pytest.fixture
def factory(shared, lab):
    """`lab` is asked for so that faults and the log are cleared."""
    shared.place.forget_tokens()
    return shared


@contextlib.contextmanager
def nothing_published(factory):
    before = factory.published()
    yield
    assert factory.published() == before
    assert [n for n in factory.temporary_files() if not n.startswith("pratique-logs-")] == []


def refused(factory, expected, status, *arguments):
    """The build says just this and changes nothing."""
    # Something new, so that there would be something to publish.
    factory.write({"app/change": random.randbytes(8).hex()})
    with nothing_published(factory):
        result = factory.build(*arguments, status=status)
        assert result.out == ""
        assert matches(result.err, USING + expected)
    return result


def goes_through(factory):
    """And is proved."""
    result = factory.build()
    assert "signed into tuf" in result.out
    factory.verify()
    return result


# A secret removed: found before anything is asked of the network.


@pytest.mark.parametrize(("name", "line"), [
    ("aws_creds", 5), ("azprincipal", 8), ("ghcr_creds", 11), ("hub_creds", 14),
])
def test_a_removed_secret(factory, name, line):
    factory.run("secrets", "update", f"{name}=")
    factory.lab.clear_log()
    refused(factory, f"pratique: factory-config.yml:{line}: there is no secret named {name}; {STORE} "
                     f"(set it with `pratique secrets update {name}=-`)\n", 2)
    assert factory.uploads() == []
    factory.mend_secret(name)
    goes_through(factory)


def test_all_removed_secrets_are_named_at_once(factory):
    for name in ("azprincipal", "ghcr_creds"):
        factory.run("secrets", "update", f"{name}=")
    result = factory.build(status=2)
    assert "azprincipal" in result.err and "ghcr_creds" in result.err
    checked = factory.run("config", "check", status=2)
    assert "azprincipal" in checked.err and "ghcr_creds" in checked.err
    factory.mend_secret("azprincipal")
    factory.mend_secret("ghcr_creds")


def test_a_removed_passphrase(factory):
    factory.run("secrets", "update", "tuf_passphrase=")
    refused(factory, "pratique: there is no secret tuf_passphrase, and no terminal to ask on "
                     "(set it with `pratique secrets update tuf_passphrase=-`)\n", 2)
    factory.give_secrets()


def test_a_wrong_passphrase(factory):
    factory.give_secret("tuf_passphrase", "not the passphrase of these keys")
    refused(factory, f"pratique: {factory.keys}/targets.key: the targets key cannot be opened: the passphrase is wrong, "
                     "or the file was changed since "
                     "(set the right one with `pratique secrets update tuf_passphrase=-`)\n", 2)
    factory.give_secrets()


# A wrong password.


def aws_file(key, secret=None, key_id=None):
    token = f"aws_session_token = {key.token}\n" if key.token else ""
    return (f"[default]\naws_access_key_id = {key_id or key.key_id}\n"
            f"aws_secret_access_key = {secret or key.secret}\n{token}")


WRONG = "tHiS/iS+nOt/tHe+rIgHt/sEcReT+kEy/123456A"


@pytest.mark.parametrize(("name", "make", "words"), [
    ("azprincipal", lambda c: f"{c.azure_pull.user}:{WRONG}",
     "acme.azurecr.io: the registry refuses the user name or password of secret azprincipal: "
     "<any> (UNAUTHORIZED) (set the secret again with `pratique secrets update`)"),
    ("ghcr_creds", lambda c: f"{c.generic.user}:{WRONG}",
     "ghcr.example.com: the registry refuses the user name or password of secret ghcr_creds: "
     "<any> (UNAUTHORIZED) (set the secret again with `pratique secrets update`)"),
    ("hub_creds", lambda c: f"{c.hub.user}:{WRONG}",
     "<any>: the registry refuses the user name or password of secret hub_creds: "
     "<any> (UNAUTHORIZED) (set the secret again with `pratique secrets update`)"),
    ("aws_creds", lambda c: aws_file(c.aws_default, secret=WRONG),
     f"{ECR}: secret aws_creds, profile default: the secret access key does not belong to the access key id "
     "(InvalidSignatureException) (copy aws_secret_access_key anew)"),
    ("aws_creds", lambda c: aws_file(c.aws_default, key_id="AKIAAAAAAAAAAAAAAAAA"),
     f"{ECR}: secret aws_creds, profile default: AWS does not know this access key id (UnrecognizedClientException) "
     "(the key may be deleted, inactive or of another partition, or the region not enabled)"),
    ("aws_creds", lambda c: aws_file(c.aws_denied),
     f"{ECR}: secret aws_creds, profile default: this identity may not get a registry password "
     "(AccessDeniedException): <any> (allow ecr:GetAuthorizationToken on resource *)"),
], ids=["azure", "generic", "hub", "aws secret key", "aws key id", "aws denied"])
def test_a_wrong_password(factory, secret, name, make, words):
    secret("a wrong password", WRONG)
    factory.give_secret(name, make(factory.lab.credentials))
    refused(factory, f"pratique: {words}\n", 1)
    factory.mend_secret(name)
    goes_through(factory)


def test_an_expired_session_of_aws(factory):
    factory.give_secret("aws_creds", aws_file(factory.lab.credentials.aws_session))
    factory.lab.expire_session()
    refused(factory, f"pratique: {ECR}: secret aws_creds, profile default: the session token has expired "
                     "(ExpiredTokenException) (put fresh keys and their session token into the secret)\n", 1)
    factory.lab.expire_session(expired=False)
    goes_through(factory)
    factory.mend_secret("aws_creds")


def test_throttling_is_waited_out_for_a_while_and_is_status_3(factory):
    factory.lab.throttle(factory.lab.hosts["ecr_api"], count=100)
    refused(factory, f"pratique: {ECR}: secret aws_creds, profile default: AWS says that there are too many requests "
                     "(ThrottlingException) (try again later)\n", 3)
    factory.lab.clear_faults()
    factory.lab.throttle(factory.lab.hosts["ecr_api"], count=1)
    goes_through(factory)


def test_a_slow_clock_is_corrected_once_with_a_warning(factory):
    factory.lab.set_clock_offset(3600)
    result = factory.run("check", "containers")
    assert result.err.startswith(USING + (
        f"pratique: {ECR}: warning: this machine's clock is 60 minutes slow "
        "(set this machine's clock; the request is made again with AWS's time)\n"
    ))
    calls = [r for r in factory.lab.requests(factory.lab.hosts["ecr_api"])]
    assert len(calls) == 2


def test_an_image_that_the_identity_may_not_pull(factory):
    factory.lab.deny_action("ecr:BatchGetImage", "base")
    refused(factory, f"pratique: app/docker-compose.yml:7: {ECR}/base:1.2: access denied for secret aws_creds, "
                     "profile default: <any> (DENIED) (give it the right to pull there, or correct the name: some registries "
                     "also say this of what does not exist)\n", 1)
    factory.lab.allow_actions()
    goes_through(factory)


def test_a_registry_that_is_down_is_status_3(factory):
    factory.lab.unavailable(factory.lab.hosts["generic"], count=50)
    result = refused(factory, "<lines>", 3)
    assert "ghcr.example.com" in result.err and "(try again later)" in result.err


# A tag that does not exist.


def test_tags_that_do_not_exist_are_all_reported(factory):
    factory.write({"app/docker-compose.yml": ALL["app/docker-compose.yml"].replace(":7", ":70")
                   .replace("nginx:1.25", "nginx:nine").replace("/base:", "/basis:")})
    hint = "(check the name and tag; some registries also say this when the identity may not pull)"
    refused(factory, (
        f"pratique: app/docker-compose.yml:3: ghcr.example.com/acme/redis:70: not found: <any> {hint}\n"
        f"pratique: app/docker-compose.yml:5: acme.azurecr.io/web/nginx:nine: not found: <any> {hint}\n"
        f"pratique: app/docker-compose.yml:7: {ECR}/basis:1.2: not found: <any> {hint}\n"
    ), 1)
    document = factory.run("check", "containers", "--json", status=1).json()
    assert [i["status"] for i in document["images"]] == ["not-found"] * 3
    assert [e["where"] for e in document["errors"]] == [f"app/docker-compose.yml:{n}" for n in (3, 5, 7)]
    factory.write(ALL)
    goes_through(factory)


# A Dockerfile whose ARG has no default; a build that fails.


@pytest.fixture
def building(session, lab):
    return Factory.ready(session, lab)


def test_an_arg_without_a_default(building):
    building.write({**SMALL, "x/Dockerfile": "# A base of your choice.\nARG BASE\nFROM $BASE\n"})
    refused(building, "pratique: x/Dockerfile:3: which image is meant cannot be known: ARG BASE has no default "
                      "(give it a value there, or a default)\n", 1)
    building.write({"x/.docker_build_args": "BASE=ghcr.example.com/acme/broker:2\n"})
    goes_through(building)


def test_a_build_that_fails(building):
    # The pause: what passes a command's output on in buildah's chroot now and then ends with it, and its last words are lost.
    building.write({**SMALL, "x/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nRUN echo the reason; sleep 0.3; exit 7\n"})
    result = refused(building, (
        "pratique: building x (1 of 1)\n"
        "<lines>"
        "pratique:   the reason\n"
        "<lines>"
        "pratique: x/Dockerfile: the build failed with status 7 (the whole log is <any>)\n"
    ), 1)
    log = Path(re.search(r"the whole log is (.*)\)$", result.err.strip())[1])
    assert "the reason\n" in log.read_text()
    # With --out, the log lies there.
    result = refused(building, "<lines>pratique: x/Dockerfile: the build failed with status 7 "
                               "(the whole log is out/logs/x.log)\n", 1, "--out", "out")
    assert "the reason\n" in (building.work / "out/logs/x.log").read_text()
    assert sorted(p.name for p in (building.work / "out").iterdir()) == ["logs"]
    building.write(BUILT)
    goes_through(building)


def test_the_second_of_two_builds_fails(building):
    """What was built is not pushed, let alone named latest."""
    building.write({**SMALL, "a/Dockerfile": BUILT["x/Dockerfile"],
                    "b/Dockerfile": f"FROM {building.hub}/a\nRUN exit 3\n"})
    refused(building, "pratique: building a (1 of 2)\npratique: building b (2 of 2)\n<lines>"
                      "pratique: b/Dockerfile: the build failed with status 3 (the whole log is <any>)\n", 1)
    assert building.repositories() == set()


def test_a_hub_identity_that_may_not_push_fails_before_anything_is_built(building):
    building.write({**SMALL, **BUILT})
    # ACR's principal may only pull.
    refused(building, "pratique: acme.azurecr.io/factory/x: access denied for secret azprincipal<any> "
                      "(give it the right to push there)\n", 1,
            "--hub", "acme.azurecr.io/factory", "--hub-secret", "azprincipal")
    assert not any("bud" in call for call in building.place.calls("buildah"))


@pytest.mark.parametrize("what", ["hub_creds", "the password in it", "tuf_passphrase"])
def test_a_bundle_that_holds_a_secret(building, what):
    value = {"hub_creds": building.lab.credentials.hub, "the password in it": building.lab.credentials.hub.password,
             "tuf_passphrase": "a passphrase that somebody committed"}[what]
    if what == "tuf_passphrase":
        # Keys that were made with it.
        building.give_secret("tuf_passphrase", str(value))
        building.run("tuf", "init", "tuf2")
    building.write({**SMALL, **BUILT})
    try:
        building.place.write({"app/settings": f"login={value}\n"}, "containers")
        building.place.commit(building.containers)
        with nothing_published(building):
            result = building.run(
                "target", "build", "containers", "--tuf", "tuf2" if what == "tuf_passphrase" else "tuf", status=2
            )
        assert result.err == USING + (
            "pratique: app/settings: holds the bytes of a secret that this run knows, and would be published "
            "(remove it, or name the file in .composeappignores)\n"
        )
        assert not any("bud" in call for call in building.place.calls("buildah"))
    finally:
        # The check at the end of the session would find it, in git's objects only compressed.
        (building.containers / "app/settings").unlink()
    building.write({"app/settings": "login=\n"})
    if what == "hub_creds":
        goes_through(building)


# Interrupted and killed.


SLOW = {"x/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nRUN echo started; sleep 60\n"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_the_middle_of_a_build(building, number):
    building.write({**SMALL, **SLOW})
    with nothing_published(building):
        child = start(building, "--out", "out")
        log = building.work / "out/logs/x.log"
        wait_until(lambda: log.exists() and "\nstarted\n" in log.read_text())
        family = children_below(child.pid)
        assert family
        child.send_signal(number)
        said, _ = child.communicate(timeout=20)
        building.place.keep("an interrupted build", said)
        assert child.returncode == 130
        assert said.decode().endswith("pratique: x/Dockerfile: interrupted\n")
        assert building.temporary_files() == []
        # Nothing goes on either.
        wait_until(lambda: not any(map(is_running, family)), 10)
    building.write(BUILT)
    goes_through(building)


def test_an_interrupted_build_without_out_leaves_nothing(building):
    building.write({**SMALL, **SLOW})
    child = start(building)
    logs = building.place.root / "tmp"
    wait_until(lambda: any("\nstarted\n" in p.read_text() for p in logs.glob("pratique-logs-*/x.log")))
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=20)
    building.place.keep("an interrupted build", said)
    assert child.returncode == 130 and building.temporary_files() == []


def test_killed_at_random_instants(building, record_property):
    """Whatever instant it is, the repository is proved as it stands, and the next run goes through."""
    building.write({**SMALL, "x/Dockerfile": "FROM ghcr.example.com/acme/broker:2\nCOPY seed /seed\n", "x/seed": "0"})
    started = time.monotonic()
    building.build()
    whole = time.monotonic() - started
    chance = random.Random(os.environ.get("PRATIQUE_SEED", time.time_ns()))
    killed = 0
    for turn in range(6):
        building.write({"x/seed": str(turn + 1), "app/change": str(turn + 1)})
        child = start(building)
        # The later part, where things are published and signed, is the more interesting one.
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0.3, 1.1) * whole)
        killed += child.poll() is None
        child.kill()
        building.place.keep("a killed build", child.communicate(timeout=20)[0])
        building.verify()
    result = building.build()
    assert f"Target {MACHINE}-lmp-" in result.out
    building.verify()
    assert not [p for p in building.tuf.rglob("*") if re.search(r"\.\w{6}$", p.name)], "a half-written file"
    record_property("note", f"killed at {killed} of 6 instants of {whole:.1f} s")
