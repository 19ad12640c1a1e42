"""`check` beyond its transcript: who may push, and that finding it out leaves nothing behind; platforms; what people see
of it."""

import contextlib
import json
import os
import subprocess
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from .conftest import CONFIGURATION
from .factory import Factory, digest
from .hostile import HostileServer
from .test_hostile_registry import CONFIG, INDEX, MANIFEST, PASSWORD, basic, bearer, manifest

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
APP = (
    "services:\n"
    "  cache: {image: ghcr.example.com/acme/redis:7}\n"
    "  web: {image: acme.azurecr.io/web/nginx:1.25}\n"
    f"  base: {{image: '{ECR}/base:1.2'}}\n"
)
HINT = "(give it an identity with the least privilege: `pratique policy` prints what pulling takes)\n"


@pytest.fixture
def factory(session, lab):
    factory = Factory.ready(session, lab)
    factory.write({"app/docker-compose.yml": APP})
    return factory


def rights(factory, *arguments, **how):
    return {r["registry"]: r["can_push"] for r in factory.run("check", "containers", "--json", *arguments, **how).json()["registries"]}


def uploads_left(lab):
    """What uploads the docker-registries keep, but for the hub's, which is built into."""
    return [path for alias, registry in lab._registries.items() if alias != "hub" for path in registry.storage.rglob("_uploads/*")]


def test_who_may_push(factory, lab):
    assert rights(factory) == {ECR: False, "acme.azurecr.io": False, "ghcr.example.com": True, "hub.example.com": None}
    result = factory.run("check", "containers")
    assert result.out.startswith(
        f"ok          {ECR}  aws, secret aws_creds, profile default, pull only\n"
        "ok          acme.azurecr.io  azure, secret azprincipal, pull only\n"
        "ok          ghcr.example.com  generic, secret ghcr_creds, can push\n"
        "ok          hub.example.com  hub, secret hub_creds\n")
    assert result.err == ("pratique: using factory-config.yml\npratique: ghcr.example.com: warning: secret ghcr_creds can "
                          f"do more than pull: it may push to acme/redis {HINT}")
    assert uploads_left(lab) == []
    tried = [(r["host"], r["method"], r["status"]) for r in lab.requests() if r["method"] not in ("GET", "HEAD")]
    # Azure's tokens say what they are good for.
    assert sorted(set(tried)) == [
        (ECR, "POST", 403), ("api.ecr.us-east-2.amazonaws.com", "POST", 200), ("ghcr.example.com", "POST", 201)]


def test_identities_that_may_push(factory, lab):
    factory.give_secret("azprincipal", str(lab.credentials.azure_push))
    key = lab.credentials.aws_push
    factory.give_secret("aws_creds", f"[default]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n")
    result = factory.run("check", "containers")
    assert f"pratique: {ECR}: warning: secret aws_creds, profile default can do more than pull: it may push to base {HINT}" in result.err
    assert f"pratique: acme.azurecr.io: warning: secret azprincipal can do more than pull: it may push to web/nginx {HINT}" in result.err
    assert uploads_left(lab) == []
    # Without looking into an image there is no blob to ask with; a token says it all the same.
    assert rights(factory, "--manifests-only") == {
        ECR: None, "acme.azurecr.io": True, "ghcr.example.com": None, "hub.example.com": None}


def test_an_upload_that_is_started_in_place_of_a_mount_is_cancelled(factory, lab):
    key = lab.credentials.aws_push
    factory.give_secret("aws_creds", f"[default]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n")
    lab.set_ecr_mounts(False)
    try:
        assert rights(factory)[ECR] is True
    finally:
        lab.set_ecr_mounts(True)
    tried = [(r["method"], r["status"]) for r in lab.requests(ECR) if r["method"] not in ("GET", "HEAD")]
    assert tried == [("POST", 202), ("DELETE", 204)]
    assert lab.ecr.uploads == set() and uploads_left(lab) == []


def test_the_hub_may_be_pushed_to_without_a_warning(session, lab):
    config = CONFIGURATION.format(**{**lab.hosts, "hub": lab.hosts["generic"]}, factory="acme").replace("hub_creds", "ghcr_creds")
    head, _, tail = config.partition("- type: generic")
    factory = Factory(session, lab, config=head + tail[tail.index("hub:"):]).give_secrets()
    factory.write({"app/docker-compose.yml": APP})
    result = factory.run("check", "containers")
    assert "ok          ghcr.example.com  hub, secret ghcr_creds, can push\n" in result.out and "warning" not in result.err


def image(handler):
    if "/blobs/" in handler.path:
        handler.say(200, CONFIG)
    else:
        handler.say(200, manifest(), Content_Type=MANIFEST, Docker_Content_Digest=digest(manifest()))


def answers(post):
    return lambda handler: post(handler) if handler.command == "POST" else image(handler)


@pytest.mark.parametrize(("host", "answer", "right", "asked"), [
    ("docker.io", basic(image), None, False),
    ("open.example.org", lambda h: h.say(200) if h.path == "/v2/" else image(h), None, False),
    ("mounts.example.org", basic(answers(lambda h: h.say(201))), True, True),
    ("cache.example.org", basic(answers(lambda h: h.say(405))), False, True),
    ("gone.example.org", basic(answers(lambda h: h.say(404))), None, True),
    ("odd.example.org", basic(answers(lambda h: h.say(202))), True, True),
    ("away.example.org", basic(answers(lambda h: h.say(202, Location="https://stranger.example.net/x"))), True, True),
    ("empty.example.org", basic(lambda h: h.say(404)), None, False),
    ("uploads.example.org", basic(answers(lambda h: h.say(202, Location="/v2/a/b/blobs/uploads/1?x=2"))), True, True),
])
def test_the_right_of_an_identity_at(session, lab, host, answer, right, asked):
    session.patterns.add_secret("the password at all hosts", PASSWORD)
    factory = Factory(session, lab, config=(
        f"container_registries:\n- {{type: generic, url: {host}, generic_secret_name: creds}}\n"))
    factory.give_secret("creds", f"mallory:{PASSWORD}")
    factory.write({"app/docker-compose.yml": f"services: {{a: {{image: '{host}/a/b:1'}}}}\n"})
    server = HostileServer(lab, "registry-1.docker.io" if host == "docker.io" else host, answer)
    try:
        assert rights(factory, status=1 if host.startswith("empty") else 0) == {host: right}
    finally:
        server.end()
    posts = [r for r in server.seen if r.method not in ("GET", "HEAD")]
    wanted = ["POST /v2/a/b/blobs/uploads/?mount=" + digest(CONFIG).replace(":", "%3A") + "&from=a%2Fb"] if asked else []
    wanted += ["DELETE /v2/a/b/blobs/uploads/1?x=2"] if host.startswith("uploads") else []
    assert [f"{r.method} {r.path}" for r in posts] == wanted
    if host == "docker.io":
        # A manifest that is read counts as a pull.
        assert not [r for r in server.seen if r.method == "GET" and "/manifests/" in r.path]


# What tokens say.


def claims(*access):
    """A token as distribution and Docker Hub make them; who signed it is the registry's business."""
    return jwt.encode({"iss": "x", "access": list(access)}, "k" * 32, "HS256")


def granted(*actions, name="a/b"):
    return claims({"type": "repository", "name": name, "actions": list(actions)})


@pytest.mark.parametrize(("host", "token", "right", "posts"), [
    ("pulls.example.org", lambda: granted("pull"), False, 0),
    ("pushes.example.org", lambda: granted("pull", "push"), True, 0),
    ("all.example.org", lambda: granted("*"), True, 0),
    ("other.example.org", lambda: granted("push", name="a/c"), False, 0),
    ("none.example.org", claims, False, 0),
    ("docker.io", lambda: granted("pull"), False, 0),
    ("docker.io", lambda: granted("pull", "push"), True, 0),
    # A token that is no JWT, as GitHub's: it is tried.
    ("opaque.example.org", lambda: "djE6YWJj", False, 1),
    ("docker.io", lambda: "djE6YWJj", None, 0),
    # No token for pushing.
    ("refuses.example.org", None, False, 0),
])
def test_the_right_that_a_token_names(session, lab, host, token, right, posts):
    session.patterns.add_secret("the password at all hosts", PASSWORD)
    factory = Factory(session, lab, config=(
        f"container_registries:\n- {{type: generic, url: {host}, generic_secret_name: creds}}\n"))
    factory.give_secret("creds", f"mallory:{PASSWORD}")
    factory.write({"app/docker-compose.yml": f"services: {{a: {{image: '{host}/a/b:1'}}}}\n"})
    asked = []

    def give_token(handler):
        asked.extend(parse_qs(urlsplit(handler.path).query).get("scope", []))
        if token is None and "push" in handler.path:
            handler.say_json(403, {"errors": [{"code": "DENIED", "message": "no"}]})
        else:
            handler.say_json(200, {"token": token() if token else granted("pull")})

    name = "registry-1.docker.io" if host == "docker.io" else host
    server = HostileServer(lab, name, bearer(f"https://{name}/token", give_token, answers(lambda h: h.say(403))))
    try:
        assert rights(factory) == {host: right}
    finally:
        server.end()
    assert [r.method for r in server.seen if r.method not in ("GET", "HEAD")] == ["POST"] * posts
    assert asked == ["repository:a/b:pull", "repository:a/b:pull,push"]


# Platforms.


def platforms(session, lab, listed):
    config = CONFIGURATION.format(**lab.hosts, factory="acme").replace("[amd64]", listed)
    factory = Factory(session, lab, config=config).give_secrets()
    # Two platforms, and one.
    factory.write({"app/docker-compose.yml": "services:\n  a: {image: acme.azurecr.io/web/nginx:1.25}\n"
                                             "  b: {image: ghcr.example.com/acme/broker:2}\n"})
    return factory


@pytest.mark.parametrize(("listed", "nginx", "broker"), [
    ("[amd64]", None, None),
    ("[arm64]", None, "linux/arm64"),
    ("[arm64, amd64]", None, "linux/arm64"),
    ("[arm, arm64, amd64]", "linux/arm", "linux/arm, linux/arm64"),
])
def test_each_image_must_be_made_for_each_platform(session, lab, listed, nginx, broker):
    result = platforms(session, lab, listed).run("check", "containers", "--json", status=1 if broker else 0)
    assert [i["platforms"] for i in result.json()["images"]] == [["linux/amd64", "linux/arm64"], ["linux/amd64"]]
    assert [i["error"] for i in result.json()["images"]] == [
        nginx and f"is not made for {nginx}, only for linux/amd64, linux/arm64",
        broker and f"is not made for {broker}, only for linux/amd64"]
    assert [i["status"] for i in result.json()["images"]] == [
        "not-found" if nginx else "ok", "not-found" if broker else "ok"]


# Kinds of manifests.

DOCKER = "application/vnd.docker.distribution."
DOCKER_MANIFEST, DOCKER_LIST = DOCKER + "manifest.v2+json", DOCKER + "manifest.list.v2+json"
LAYER = b"a layer"
PLATFORMS = [{"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm", "variant": "v7"}]


def described(kind, content, **more):
    return {"mediaType": kind, "digest": digest(content), "size": len(content), **more}


def single(kind, config, layer):
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "config": described(config, CONFIG),
                       "layers": [described(layer, LAYER)]}).encode()


def index(kind, one_kind, one):
    """With an attestation, as BuildKit makes one."""
    entries = [described(one_kind, one, platform=platform) for platform in PLATFORMS]
    unknown = described(one_kind, b"attestation", platform={"os": "unknown", "architecture": "unknown"})
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": [*entries, unknown]}).encode()


OCI_ONE = single(MANIFEST, "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
DOCKER_ONE = single(DOCKER_MANIFEST, "application/vnd.docker.container.image.v1+json",
                    "application/vnd.docker.image.rootfs.diff.tar.gzip")
KINDS = {
    "oci": (MANIFEST, OCI_ONE), "docker": (DOCKER_MANIFEST, DOCKER_ONE),
    "oci-index": (INDEX, index(INDEX, MANIFEST, OCI_ONE)), "docker-list": (DOCKER_LIST, index(DOCKER_LIST, DOCKER_MANIFEST, DOCKER_ONE)),
    "mixed": (INDEX, index(INDEX, DOCKER_MANIFEST, DOCKER_ONE)),
    "schema1": (DOCKER + "manifest.v1+prettyjws", b'{"schemaVersion": 1, "name": "a/b", "fsLayers": []}'),
    "artifact": ("application/vnd.oci.artifact.manifest.v1+json", b'{"schemaVersion": 2, "blobs": []}'),
    "nested": (INDEX, json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        described(INDEX, b"", platform=PLATFORMS[0]) | {"digest": digest(index(INDEX, MANIFEST, OCI_ONE))}]}).encode()),
}
BODIES = {digest(content): (kind, content) for kind, content in KINDS.values()}


@pytest.fixture
def kinds(session, lab):
    session.patterns.add_secret("the password at all hosts", PASSWORD)

    def answer(handler):
        name = handler.path.rsplit("/", 1)[1]
        if "/blobs/" in handler.path:
            handler.say(403 if "/noblob/" in handler.path else 200, CONFIG if name == digest(CONFIG) else LAYER)
        else:
            kind, content = BODIES[name] if name in BODIES else KINDS[name]
            handler.say(200, content, Content_Type=kind, Docker_Content_Digest=digest(content))
    server = HostileServer(lab, "kinds.example.org", basic(answer))
    factory = Factory(session, lab, config="container_registries:\n- {type: generic, url: kinds.example.org, "
                                           "generic_secret_name: creds}\ncontainers: {platforms: [amd64, arm]}\n")
    factory.give_secret("creds", f"mallory:{PASSWORD}")

    def check(name, platforms="[amd64, arm]", repository="a/b", **how):
        config = factory.work / "factory-config.yml"
        config.write_text(config.read_text().rsplit("platforms: ", 1)[0] + f"platforms: {platforms}}}\n")
        factory.write({"app/docker-compose.yml": f"services: {{a: {{image: 'kinds.example.org/{repository}:{name}'}}}}\n"})
        server.seen.clear()
        document = factory.run("check", "containers", "--json", **how).json()
        asked = [f"{r.method} {r.path.rsplit('/', 2)[1]}" for r in server.seen
                 if r.method in ("GET", "HEAD") and "Authorization" in r.headers and r.path != "/v2/"]
        return document["images"][0], asked
    yield check
    server.end()


@pytest.mark.parametrize("name", ["oci", "docker"])
def test_a_single_image(kinds, name):
    image, asked = kinds(name, "[amd64]")
    assert (image["status"], image["digest"], image["platforms"], image["size"]) == (
        "ok", digest(KINDS[name][1]), ["linux/amd64"], len(CONFIG) + len(LAYER))
    assert asked == ["GET manifests", "GET blobs"]
    image, _ = kinds(name, status=1)
    assert (image["status"], image["error"]) == ("not-found", "is not made for linux/arm, only for linux/amd64")


@pytest.mark.parametrize("name", ["oci-index", "docker-list", "mixed"])
def test_an_index(kinds, name):
    image, asked = kinds(name)
    assert (image["status"], image["digest"], image["platforms"], image["size"]) == (
        "ok", digest(KINDS[name][1]), ["linux/amd64", "linux/arm/v7"], len(CONFIG) + len(LAYER))
    assert asked == ["GET manifests", "GET manifests", "GET blobs"]
    image, _ = kinds(name, "[arm64]", status=1)
    assert image["error"] == "is not made for linux/arm64, only for linux/amd64, linux/arm/v7"


@pytest.mark.parametrize(("name", "words"), [
    ("schema1", "is a docker schema 1 manifest, which has no digests worth trusting and is no longer read"),
    ("artifact", "is neither an image manifest nor an index, by its media type"),
    ("nested", "is an index of indexes, which is not understood"),
])
def test_what_is_no_image(kinds, name, words):
    image, _ = kinds(name, "[amd64]", status=1)
    assert (image["status"], image["error"]) == ("denied", words)


@pytest.mark.parametrize(("name", "platforms"), [("oci-index", "[amd64, arm]"), ("oci", "[amd64]")])
def test_a_right_to_manifests_is_not_yet_one_to_blobs(kinds, name, platforms):
    image, _ = kinds(name, platforms, repository="a/noblob", status=1)
    assert (image["status"], image["error"]) == ("denied", "access denied for secret creds")


# What people see.


def last_line(result):
    return result.out.splitlines()[-1]


def test_what_is_to_do_stands_at_the_end(factory, lab):
    factory.write({"app/docker-compose.yml": APP.replace(":7", ":70"), "b/Dockerfile": "ARG BASE\nFROM $BASE\n",
                   "c/Dockerfile": "FROM ghcr.example.com/acme/none:1\nFROM nowhere.example.net/a/b:1\n"})
    lab.deny_action("ecr:BatchGetImage", "base")
    result = factory.run("check", "containers", status=None)
    assert last_line(result) == (
        "to do: mend 1 login; get the right to pull 1 image; correct 2 images; give a value to 1 image")
    lab.unavailable(lab.hosts["generic"], status=503, count=50, path="/manifests/")
    factory.write({"app/docker-compose.yml": APP, "b/Dockerfile": "FROM scratch\n", "c/Dockerfile": "FROM scratch\n"})
    lab.allow_actions()
    assert last_line(factory.run("check", "containers", status=3)) == "to do: try 1 image again"
    lab.clear_faults()
    assert "to do" not in factory.run("check", "containers").out


def on_a_terminal(place, **env):
    primary, secondary = os.openpty()
    done = subprocess.run([place.programs / "pratique", "check", "containers"], stdout=secondary, stderr=subprocess.PIPE,
                          check=False, cwd=place.work, env={**place.env, "TERM": "xterm", **env})
    os.close(secondary)
    shown = b""
    with os.fdopen(primary, "rb", buffering=0) as stream, contextlib.suppress(OSError):  # EIO is a terminal's end
        while more := stream.read(1 << 16):
            shown += more
    place.keep("a check on a terminal", shown + done.stderr)
    return shown.decode().replace("\r\n", "\n")


def test_colour_only_on_a_terminal_that_wants_it(factory):
    factory.write({"app/docker-compose.yml": APP.replace(":7", ":70")})
    plain = factory.run("check", "containers", status=1, env={"TERM": "xterm"}).out
    coloured = on_a_terminal(factory.place)
    assert "\033[32mok\033[0m          acme.azurecr.io  azure" in coloured
    assert "\033[31mnot-found\033[0m   ghcr.example.com/acme/redis:70" in coloured
    assert coloured.replace("\033[32m", "").replace("\033[31m", "").replace("\033[0m", "") == plain
    assert on_a_terminal(factory.place, NO_COLOR="1") == on_a_terminal(factory.place, TERM="dumb") == plain


def progress_on_a_terminal(place, *arguments):
    """Standard error as a terminal gets it; results go elsewhere."""
    primary, secondary = os.openpty()
    done = subprocess.run([place.programs / "pratique", *arguments], stdout=subprocess.PIPE, stderr=secondary, check=True,
                          cwd=place.work, env={**place.env, "TERM": "xterm"})
    os.close(secondary)
    shown = b""
    with os.fdopen(primary, "rb") as stream:
        try:
            while piece := os.read(stream.fileno(), 1 << 16):
                shown += piece
        except OSError:
            pass  # the other end is closed
    place.keep("progress on a terminal", shown + done.stdout)
    return shown.decode().replace("\r\n", "\n"), done.stdout.decode()


def test_progress_on_a_terminal_only(factory):
    plain = factory.run("check", "containers")
    for more in ([], ["--json"]):
        shown, out = progress_on_a_terminal(factory.place, "check", "containers", *more)
        assert all(f"\r\033[Kchecking images: {n} of 3" in shown for n in (1, 2, 3))
        # It is taken away again; the lines below it are whole.
        assert shown.rstrip("\n").split("\r\033[K")[-1] in ("", plain.err.splitlines()[-1])
        assert more or out == plain.out
    for quiet in (["--no-progress"], ["-q"]):
        shown, _ = progress_on_a_terminal(factory.place, *quiet, "check", "containers")
        assert "checking" not in shown and "\033" not in shown
    assert "checking" not in plain.err
