"""registries.conf: `check` and skopeo read the same file and ask the same places in the same order; each place gets its own
credential and no other; what is blocked is not asked for at all."""

import base64
import json

import pytest

from .factory import Factory, digest, matches
from .hostile import HostileServer
from .test_hostile_registry import CONFIG, MANIFEST, basic, manifest

HUB, ONE, TWO = "registry-1.docker.io", "one.example.org", "two.example.net"
USING = "pratique: using factory-config.yml\n"
LOGINS = {"docker.io": "hubuser:hub-pass-0123456789", ONE: "oneuser:one-pass-0123456789", TWO: "twouser:two-pass-0123456789"}
CONFIGURATION = "container_registries:\n" + "".join(
    f"- {{type: generic, url: {host}, generic_secret_name: {name}}}\n" for host, name in ((ONE, "one"), (TWO, "two")))
GOOD = manifest()


def has(handler):
    if "/blobs/" in handler.path:
        handler.say(200, CONFIG)
    else:
        handler.say(200, GOOD, Content_Type=MANIFEST, Docker_Content_Digest=digest(GOOD))


def lacks(handler):
    handler.say_json(404, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]})


def refuses(handler):
    handler.say_json(403, {"errors": [{"code": "DENIED", "message": "not yours"}]})


def opened(then):
    return lambda handler: handler.say(200) if handler.path == "/v2/" else then(handler)


@pytest.fixture(scope="module")
def world(session, running_lab):
    """A place with a login for each mirror, and a server behind each name. `registries` writes the file for both."""
    factory = Factory(session, running_lab, config=CONFIGURATION)
    for name, host in (("one", ONE), ("two", TWO)):
        session.patterns.add_secret(f"the password at {host}", LOGINS[host].split(":")[1])
        factory.give_secret(name, LOGINS[host])
    auths = {host: {"auth": base64.b64encode(login.encode()).decode()} for host, login in LOGINS.items() if host != "docker.io"}
    # For skopeo; a folder that holds secrets by right.
    factory.place.write({"given-secrets/auth.json": json.dumps({"auths": auths})})
    factory.servers = {host: HostileServer(running_lab, host) for host in (HUB, ONE, TWO)}
    yield factory
    for server in factory.servers.values():
        server.end()


@pytest.fixture
def mirrors(world, lab):
    for server in world.servers.values():
        server.clear()
    world.servers[HUB].answer = has
    world.servers[ONE].answer = world.servers[TWO].answer = basic(has)
    return world


def registries(factory, text, below=".config/containers"):
    file = factory.place.home / below / "registries.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def use(factory, *images):
    factory.write({"app/docker-compose.yml": "services:\n" + "".join(
        f"  s{number}:\n    image: {image}\n" for number, image in enumerate(images))})


def check(factory, status=0, *arguments, **how):
    return factory.run("check", "containers", *arguments, status=status, **how)


def asked(factory):
    """Which manifests were asked for since the last time. At the mirrors, those with a credential count."""
    seen = {(host, r.path) for host, server in factory.servers.items() for r in server.seen
            if "/manifests/" in r.path and (host == HUB or "Authorization" in r.headers)}
    for server in factory.servers.values():
        server.seen.clear()
    return sorted(seen)


DOCKER = "[[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n"
FIRST, SECOND = f"[[registry.mirror]]\nlocation = '{ONE}/hub'\n", f"[[registry.mirror]]\nlocation = '{TWO}'\n"
AT_HUB, AT_ONE, AT_TWO = f"{HUB}/v2/library/x", f"{ONE}/v2/hub/library/x", f"{TWO}/v2/library/x"
CASES = {
    "the first has it": (DOCKER + FIRST + SECOND, {}, [AT_ONE]),
    "the second has it": (DOCKER + FIRST + SECOND, {ONE: lacks}, [AT_ONE, AT_TWO]),
    "the first refuses": (DOCKER + FIRST + SECOND, {ONE: refuses}, [AT_ONE, AT_TWO]),
    "none has it but the origin": (DOCKER + FIRST + SECOND, {ONE: lacks, TWO: lacks}, [AT_ONE, AT_TWO, AT_HUB]),
    "nobody has it": (DOCKER + FIRST, {ONE: lacks, HUB: opened(lacks)}, [AT_ONE, AT_HUB]),
    "another location": (f"[[registry]]\nprefix = 'docker.io/library'\nlocation = '{TWO}/deep/er'\n", {},
                         [f"{TWO}/v2/deep/er/x"]),
    "the longest prefix": (DOCKER + FIRST + f"[[registry]]\nprefix = 'docker.io/library/x'\nlocation = '{TWO}/y'\n", {},
                           [f"{TWO}/v2/y"]),
    "mirrors for digests only": (DOCKER + "mirror-by-digest-only = true\n" + FIRST, {}, [AT_HUB]),
    "of another registry": (f"[[registry]]\nlocation = 'ghcr.io'\n{FIRST}", {}, [AT_HUB]),
    "an inline table": (f"registry = [{{location = 'docker.io', mirror = [{{location = '{ONE}/hub'}}]}}]\n", {}, [AT_ONE]),
    "blocked": ("[[registry]]\nlocation = 'docker.io/library'\nblocked = true\n", {}, []),
    "blocked but for its mirrors": (DOCKER + "blocked = true\n" + FIRST, {}, [AT_ONE]),
    "blocked, and its mirrors have it not": (DOCKER + "blocked = true\n" + FIRST, {ONE: lacks}, [AT_ONE]),
    "a blocked mirror": (DOCKER + FIRST + f"[[registry]]\nlocation = '{ONE}'\nblocked = true\n", {}, [AT_HUB]),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("reference", ["1", digest(GOOD)])
def test_the_same_places_as_skopeo(mirrors, name, reference):
    text, answers, expected = CASES[name]
    if name == "mirrors for digests only" and reference != "1":
        expected = [AT_ONE]
    for host, answer in answers.items():
        mirrors.servers[host].answer = answer if host == HUB else basic(answer)
    registries(mirrors, text)
    image = f"docker.io/library/x{':' if reference == '1' else '@'}{reference}"
    use(mirrors, image)
    ours = check(mirrors, None)
    # The configuration names the mirrors, and so we log in there; to Docker Hub nothing goes without need.
    assert bool(mirrors.servers[HUB].seen) == any(HUB in place for place in expected)
    here = asked(mirrors)
    theirs = mirrors.place.program(
        "skopeo", "inspect", "--raw", f"docker://{image}", status=None,
        env={"REGISTRY_AUTH_FILE": str(mirrors.work / "given-secrets/auth.json")})
    there = asked(mirrors)
    assert here == there
    assert here == sorted((place.split("/")[0], f"/{place.split('/', 1)[1]}/manifests/{reference}") for place in expected)
    assert (ours.status == 0) == (theirs.status == 0) == (
        name not in ("nobody has it", "blocked", "blocked, and its mirrors have it not"))


def test_what_people_see(mirrors):
    registries(mirrors, DOCKER + FIRST + SECOND)
    use(mirrors, "x:1")
    result = check(mirrors)
    assert matches(result.out, f"ok          {ONE}  generic, secret one\nok          {TWO}  generic, secret two\n"
                               f"ok          x:1  app/docker-compose.yml:3  <short>  <any>from {ONE}/hub/library/x:1\n")
    assert result.err == USING
    document = check(mirrors, 0, "--json").json()
    assert [r["registry"] for r in document["registries"]] == [ONE, TWO]
    assert [i["mirror"] for i in document["images"]] == [f"{ONE}/hub/library/x:1"]
    assert not mirrors.servers[HUB].seen


def test_a_mirror_that_lacks_it_is_no_warning_and_one_that_refuses_is(mirrors):
    registries(mirrors, DOCKER + FIRST + SECOND)
    use(mirrors, "x:1")
    mirrors.servers[ONE].answer = basic(lacks)
    mirrors.servers[TWO].answer = basic(refuses)
    result = check(mirrors)
    assert result.err == USING + (
        f"pratique: {TWO}: warning: is passed over: access denied for secret two: not yours (DENIED) "
        "(give it the right to pull there, or correct the name: some registries also say this of what does not exist)\n")
    assert check(mirrors, 0, "--json").json()["images"][0]["mirror"] is None


def test_a_mirror_that_does_not_answer_is_passed_over(mirrors, lab):
    registries(mirrors, DOCKER + "[[registry.mirror]]\nlocation = 'down.example.org'\n")
    use(mirrors, "x:1", "y:1")
    result = check(mirrors, env={"PRATIQUE_TIMEOUT": "1"})
    notes = [line for line in result.err.splitlines(True) if "; trying again in " in line]
    assert "".join(line for line in result.err.splitlines(True) if line not in notes) == USING + (
        "pratique: down.example.org: warning: is passed over: the proxy refuses to connect to down.example.org "
        "(status 403) (check HTTPS_PROXY and NO_PROXY)\n")
    assert "failed      down.example.org  anonymous, -\n" in result.out and "to do" not in result.out
    document = check(mirrors, 0, "--json").json()
    assert document["errors"] == [] and document["registries"][1]["login"] == "failed"


def test_a_refused_login_at_a_mirror_is_passed_over(mirrors):
    registries(mirrors, DOCKER + FIRST)
    use(mirrors, "x:1")
    mirrors.servers[ONE].answer = lambda h: h.say(401, WWW_Authenticate='Basic realm="x"')
    # The configuration names it, and what the configuration names must let us in.
    result = check(mirrors, 1)
    assert (f"pratique: {ONE}: the registry refuses the user name or password of secret one "
            "(set the secret again with `pratique secrets update`)\n") in result.err
    assert "ok          x:1" in result.out


def test_nobody_has_it(mirrors):
    registries(mirrors, DOCKER + FIRST + SECOND)
    use(mirrors, "x:1")
    for host in (ONE, TWO):
        mirrors.servers[host].answer = basic(lacks)
    mirrors.servers[HUB].answer = opened(lacks)
    result = check(mirrors, 1)
    assert result.err == USING + (
        "pratique: app/docker-compose.yml:3: docker.io/library/x:1: not found: manifest unknown (MANIFEST_UNKNOWN); "
        f"before, {ONE}/hub/library/x:1: not found: manifest unknown (MANIFEST_UNKNOWN); "
        f"before, {TWO}/library/x:1: not found: manifest unknown (MANIFEST_UNKNOWN) "
        "(check the name and tag; a private repository may look like this without a login)\n")


def test_a_layer_that_the_mirror_refuses_is_not_looked_for_elsewhere(mirrors):
    """As in containers/image: who has the manifest serves the rest."""
    registries(mirrors, DOCKER + FIRST)
    use(mirrors, "x:1")
    mirrors.servers[ONE].answer = basic(lambda h: refuses(h) if "/blobs/" in h.path else has(h))
    result = check(mirrors, 1)
    assert result.err == USING + (
        f"pratique: app/docker-compose.yml:3: docker.io/library/x:1: {ONE}/hub/library/x:1: access denied for secret one: "
        "not yours (DENIED) (give it the right to pull there)\n")
    assert not mirrors.servers[HUB].seen


def test_blocked(mirrors):
    file = registries(mirrors, "\n[[registry]]\nprefix = 'docker.io/library'\nlocation = 'docker.io/library'\nblocked = true\n")
    use(mirrors, "x:1")
    result = check(mirrors, 1)
    assert result.err == USING + (
        "pratique: app/docker-compose.yml:3: docker.io/library/x:1: pulling from docker.io/library is blocked on this machine by "
        f"{file}:2 (use another image, or change that file)\n")
    assert "denied      x:1  app/docker-compose.yml:3\n" in result.out and not mirrors.servers[HUB].seen


def test_a_blocked_registry_whose_mirrors_do_not_have_it(mirrors):
    file = registries(mirrors, DOCKER + "blocked = true\n" + FIRST)
    use(mirrors, "x:1")
    mirrors.servers[ONE].answer = basic(lacks)
    assert check(mirrors, 1).err == USING + (
        f"pratique: app/docker-compose.yml:3: docker.io/library/x:1: {ONE}/hub/library/x:1: not found: manifest unknown "
        f"(MANIFEST_UNKNOWN); docker.io is blocked by {file}:1 "
        "(check the name and tag; some registries also say this when the identity may not pull)\n")


def test_a_broken_file_is_told_before_anything_is_sent(mirrors):
    file = registries(mirrors, "[[registry]]\nlocation = 'https://mirror.example.org'\n[[registry]]\nlocation = true\n")
    use(mirrors, "x:1")
    for command in (["check", "containers"], ["target", "build", "containers", "--no-tuf", "--hub", "hub.example.com/acme",
                                             "--machine", "m"]):
        result = mirrors.run(*command, status=2)
        assert result.err == USING + (
            f"pratique: {file}:2: `location` has a scheme: it is host[:port][/path]\n"
            f"pratique: {file}:4: `location` must be a text in quotes\n")
    assert asked(mirrors) == []


def test_one_in_the_tree_is_not_read(mirrors):
    registries(mirrors, "")
    use(mirrors, "x:1")
    mirrors.place.write({".config/containers/registries.conf": DOCKER + FIRST}, "containers")
    home = {"HOME": str(mirrors.containers), "XDG_CONFIG_HOME": None, "PRATIQUE_STORE": str(mirrors.place.home / ".local/share/pratique/secrets.db"),
            "PRATIQUE_STORE_KEY_FILE": str(mirrors.place.home / ".config/pratique/store.key")}
    result = check(mirrors, env=home)
    assert result.err == USING + (f"pratique: {mirrors.containers}/.config/containers/registries.conf lies inside the folder "
                                  "that is worked on and is not read\n")
    assert asked(mirrors) == [(HUB, "/v2/library/x/manifests/1")]


def test_a_file_that_is_named(mirrors):
    registries(mirrors, "")
    named = registries(mirrors, DOCKER + SECOND, "elsewhere")
    use(mirrors, "x:1")
    check(mirrors, env={"CONTAINERS_REGISTRIES_CONF": str(named)})
    assert asked(mirrors) == [(TWO, "/v2/library/x/manifests/1")]
    result = check(mirrors, 2, env={"CONTAINERS_REGISTRIES_CONF": "/nonexistent.conf"})
    assert result.err == USING + "pratique: /nonexistent.conf: no such file\n"


def test_insecure_is_for_this_machine_only(mirrors, lab):
    server = HostileServer(lab, "plain", has, tls=False)
    try:
        local = f"127.0.0.1:{server.server_port}"
        file = registries(mirrors, DOCKER + f"[[registry.mirror]]\nlocation = '{local}'\ninsecure = true\n")
        use(mirrors, "x:1")
        here = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        assert f"from {local}/library/x:1\n" in check(mirrors, env=here).out
        ours = [r.path for r in server.seen if "/manifests/" in r.path]
        server.seen.clear()
        mirrors.place.program("skopeo", "inspect", "--raw", "docker://docker.io/library/x:1", env=here)
        assert ours == [r.path for r in server.seen if "/manifests/" in r.path]
    finally:
        server.end()
    file.write_text(DOCKER + FIRST + "insecure = true\n")
    result = check(mirrors)
    assert (f"pratique: {file}:4: warning: `insecure` is not followed: {ONE} is asked over TLS only, since credentials go there "
            "(if only its CA is unknown, put that at /etc/docker/certs.d/HOST/ca.crt)\n") in result.err
    assert f"from {ONE}/hub/library/x:1\n" in result.out


def test_target_build_goes_to_mirrors_too(session, lab):
    """The preflight, the engine, and the check of what was pinned: Docker Hub is not there at all."""
    factory = Factory.ready(session, lab)
    registries(factory, "[[registry]]\nprefix = 'docker.io/acme'\nlocation = 'docker.io/acme'\n"
                        "[[registry.mirror]]\nlocation = 'ghcr.example.com/acme'\n")
    factory.write({"app/docker-compose.yml": "services:\n  a: {image: acme/redis:7}\n  b: {image: hub.example.com/acme/x}\n",
                   "x/Dockerfile": "FROM acme/broker:2\nCOPY word /word\n", "x/word": "one\n"})
    factory.build()
    assert not [c for c in lab.connects() if "docker.io" in str(c)]
    target, = factory.targets().values()
    assert set(target["custom"]["docker_compose_apps"]) == {"app"}
