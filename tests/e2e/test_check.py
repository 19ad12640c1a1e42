"""`check` beyond its transcript: who may push, and that finding it out leaves nothing behind."""

import pytest

from .conftest import CONFIGURATION
from .factory import Factory, digest
from .hostile import HostileServer
from .test_hostile_registry import CONFIG, MANIFEST, PASSWORD, basic, manifest

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
APP = (
    "services:\n"
    "  cache: {image: ghcr.example.com/acme/redis:7}\n"
    "  web: {image: acme.azurecr.io/web/nginx:1.25}\n"
    f"  base: {{image: '{ECR}/base:1.2'}}\n"
)
HINT = "(to pull, give it an identity that may do no more)\n"


@pytest.fixture
def factory(session, lab):
    factory = Factory.ready(session, lab)
    factory.write({"app/docker-compose.yml": APP})
    return factory


def rights(factory, *arguments, **how):
    return {r["registry"]: r["can_push"] for r in factory.run("check", "containers", "--json", *arguments, **how).json()["registries"]}


def uploads_left(lab):
    """What uploads the docker-registries keep."""
    return [path for registry in lab._registries.values() for path in registry.storage.rglob("_uploads/*")]


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
    assert sorted(set(tried)) == [(ECR, "POST", 403), ("acme.azurecr.io", "POST", 401),
                                  ("api.ecr.us-east-2.amazonaws.com", "POST", 200), ("ghcr.example.com", "POST", 201)]


def test_identities_that_may_push(factory, lab):
    factory.give_secret("azprincipal", str(lab.credentials.azure_push))
    key = lab.credentials.aws_push
    factory.give_secret("aws_creds", f"[default]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n")
    result = factory.run("check", "containers")
    assert f"pratique: {ECR}: warning: secret aws_creds, profile default can do more than pull: it may push to base {HINT}" in result.err
    assert f"pratique: acme.azurecr.io: warning: secret azprincipal can do more than pull: it may push to web/nginx {HINT}" in result.err
    assert uploads_left(lab) == []
    # Without looking into an image there is no blob to ask with.
    assert set(rights(factory, "--manifests-only").values()) == {None}


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
