"""A registry and its token service that mean harm: what they can learn, where they can send us, how long they can keep
us, and what they can put on a terminal."""

import hashlib
import json
import re
import time

import pytest

from .factory import Factory
from .hostile import HostileServer

EVIL, STRANGER = "evil.example.org", "stranger.example.net"
IMAGE = f"{EVIL}/a/b:1"
CONFIGURATION = """\
container_registries:
- {{type: generic, url: {evil}, generic_secret_name: evil_creds}}
hub: {{url: {hub}/{factory}, hub_secret_name: hub_creds}}
lmp: {{machines: [m]}}
"""
PASSWORD = "open-sesame-0123456789"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = json.dumps({"os": "linux", "architecture": "amd64"}).encode()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def manifest(**more):
    descriptor = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(CONFIG), "size": len(CONFIG)}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": [], **more}).encode()


@pytest.fixture(scope="module")
def shared(session, running_lab):
    factory = Factory(session, running_lab, config=CONFIGURATION.format(
        evil=EVIL, hub=running_lab.hosts["hub"], factory="hostile"))
    session.patterns.add_secret("the password that the hostile registry wants", PASSWORD)
    factory.give_secrets().give_secret("evil_creds", f"mallory:{PASSWORD}")
    factory.write({"app/docker-compose.yml": f"services: {{a: {{image: '{IMAGE}'}}}}\n"})
    return factory


@pytest.fixture(scope="module")
def servers(running_lab):
    both = [HostileServer(running_lab, host) for host in (EVIL, STRANGER)]
    yield both
    for server in both:
        server.end()


@pytest.fixture
def factory(shared, lab):
    return shared


@pytest.fixture
def evil(servers):
    for server in servers:
        server.clear()
    return servers[0]


@pytest.fixture
def stranger(servers, evil):
    return servers[1]


def basic(then):
    """A registry that wants a login, and then does something."""
    def answer(handler):
        if "Authorization" not in handler.headers:
            handler.say(401, WWW_Authenticate='Basic realm="x"')
        elif handler.path == "/v2/":
            handler.say(200)
        else:
            then(handler)
    return answer


def bearer(realm, token=None, then=lambda handler: handler.say(404)):
    def answer(handler):
        if handler.path.startswith("/token") and token:
            token(handler)
        elif "Authorization" not in handler.headers:
            handler.say(401, WWW_Authenticate=f'Bearer realm="{realm}",service="x"')
        elif handler.path == "/v2/":
            handler.say(200)
        else:
            then(handler)
    return answer


def check(factory, status=1, **how):
    began = time.monotonic()
    result = factory.run("check", "containers", status=status, **how)
    assert time.monotonic() - began < 20
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", result.out + result.err)
    return result


def told_a_secret(servers):
    return [r for s in servers for r in s.seen if "Authorization" in r.headers]


# Where credentials are sent.


@pytest.mark.parametrize("realm", [
    f"https://{STRANGER}/token", f"http://{EVIL}/token", f"https://{EVIL}@{STRANGER}/token",
    f"https://{STRANGER}\\\\.{EVIL}/token", f"https://{STRANGER}%2f.{EVIL}/token", f"https://{STRANGER}#.{EVIL}/token",
    "http://127.0.0.1:1/token", "file:///etc/passwd", f"https://{STRANGER}:443\t.{EVIL}/token", "",
    f"https://{STRANGER}\uff0f.{EVIL}/token".encode().decode("latin-1"),
])
def test_a_realm_elsewhere_gets_no_credential(factory, evil, stranger, realm):
    evil.answer = bearer(realm)
    check(factory)
    assert evil.seen and not told_a_secret([evil, stranger]) and not stranger.seen


def test_a_token_service_cannot_send_the_password_on(factory, evil, stranger):
    evil.answer = bearer(f"https://{EVIL}/token", lambda h: h.say(307, Location=f"https://{STRANGER}/token"))
    check(factory)
    assert told_a_secret([evil]) and not stranger.seen


@pytest.mark.parametrize("location", [f"https://{STRANGER}/x", f"//{STRANGER}/x", f"https://me:pw@{STRANGER}/x"])
def test_a_redirect_elsewhere_goes_without_the_password(factory, evil, stranger, location):
    evil.answer = basic(lambda h: h.say(307, Location=location))
    check(factory)
    assert stranger.seen
    assert PASSWORD not in str(stranger.seen)
    assert not [r for r in told_a_secret([stranger]) if "me:pw" not in location]


@pytest.mark.parametrize("location, words", [
    ("http://127.0.0.1:{port}/x", "redirects to a place that is not https"),
    ("http://localhost:{port}/x", "redirects to a place that is not https"),
    ("http://0/x", "redirects to a place that is not https"),
    ("https://127.0.0.1:{port}/x", "redirects to this machine, which is refused"),
    ("https://[::1]:{port}/x", "redirects to this machine, which is refused"),
    (f"http://{STRANGER}/x", "redirects to a place that is not https"),
    ("file:///etc/passwd", "redirects to a place that is not https"),
    ("\\\\127.0.0.1\\x", "not found"),
])
def test_a_registry_cannot_send_us_to_this_machine(factory, evil, stranger, location, words):
    evil.answer = basic(lambda h: h.say(307, Location=location.format(port=stranger.server_port)))
    result = check(factory, status=None)
    assert result.status == 1 and (words in result.err or words == "not found")
    assert not stranger.seen


def test_redirects_come_to_an_end(factory, evil):
    evil.answer = basic(lambda h: h.say(307, Location=h.path))
    assert "more than 5 redirects" in check(factory).err


def test_an_upload_is_not_sent_elsewhere(factory, evil, stranger):
    def answer(handler):
        if handler.command == "POST":
            handler.say(202, Location=f"https://{STRANGER}/upload")
        else:
            handler.say(404)
    evil.answer = basic(answer)
    factory.place.write({"images/x/Dockerfile": "FROM scratch\nCOPY word /word\n", "images/x/word": "one\n"})
    factory.place.commit(factory.work / "images")
    result = factory.run(
        "target", "build", "images", "--no-tuf", "--hub", f"{EVIL}/acme", "--hub-secret", "evil_creds", status=1)
    assert "the registry wants the upload to go to another host (no credential was sent there)" in result.err
    assert not stranger.seen


@pytest.mark.parametrize("token", ["a\r\nX-Evil: 1", "a b", "", "\x00", "é", 5, None, ["a"], "x" * (1 << 20)])
def test_a_token_that_is_none(factory, evil, token):
    evil.answer = bearer(f"https://{EVIL}/token", lambda h: h.say_json(200, {"token": token}))
    check(factory)
    assert not [r for r in evil.seen if "X-Evil" in r.headers or r.headers.get("Authorization", "").startswith("Bearer")]


def test_endless_refusals_come_to_an_end(factory, evil):
    ways = ['Basic realm="x"', f'Bearer realm="https://{EVIL}/token"']

    def answer(handler):
        if handler.path.startswith("/token"):
            handler.say_json(200, {"token": "x", "expires_in": 0})
        else:
            handler.say(401, WWW_Authenticate=ways[len(evil.seen) % 2])
    evil.answer = answer
    check(factory)
    assert len(evil.seen) < 30


# What takes no end, or is not what it says.


def endless_header(handler):
    handler.say_without_end(b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65536)


def endless_headers(handler):
    handler.say_without_end(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 1000)


def endless_hints(handler):
    handler.say_without_end(b"HTTP/1.1 103 Early Hints\r\nX: a\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nX: a\r\n\r\n" * 100,
                            8 << 20)


def endless_body(handler):
    handler.say_without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536)


def endless_error(handler):
    handler.say_without_end(b"HTTP/1.1 403 No\r\n\r\n", b"a" * 65536)


def gzipped(handler):
    handler.say(200, b"\x1f\x8b" + bytes(1000), Content_Encoding="gzip", Content_Type=MANIFEST)


def body(content, kind=MANIFEST, **headers):
    return lambda handler: handler.say(200, content, Content_Type=kind, **headers)


entry = {"mediaType": MANIFEST, "digest": "sha256:" + "0" * 64, "size": 5,
         "platform": {"os": "linux", "architecture": "amd64"}}


@pytest.mark.parametrize("then", [
    endless_header, endless_headers, endless_hints, endless_body, endless_error, gzipped,
    body(b"[" * 200000), body(b'{"a":' * 200000), body(b""), body(b"{}"), body(b"null"), body(b"\xff\xfe{"),
    body(b"<html>", "text/html"),
    body(manifest(layers=[{"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": -1}])),
    body(manifest(layers=[{"mediaType": "x", "digest": "../../etc/passwd", "size": 1}])),
    body(manifest(layers=7)), body(manifest(config=[])), body(manifest(schemaVersion=1)),
    body(manifest(), Docker_Content_Digest="sha256:" + "0" * 64),
    body(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode(), INDEX),
    body(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] * 20000}).encode(), INDEX),
    body(json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        {**entry, "platform": {"os": "\x1b[2J", "architecture": "\x1b]0;x\x07"}}]}).encode(), INDEX),
], ids=lambda value: getattr(value, "__name__", None))
def test_an_answer_that_is_none(factory, evil, then):
    evil.answer = basic(then)
    assert check(factory).err


def test_a_digest_of_another_algorithm_is_not_held_against_it(factory, evil):
    def then(handler):
        if "/blobs/" in handler.path:
            handler.say(200, CONFIG)
        else:
            handler.say(200, manifest(), Content_Type=MANIFEST, Docker_Content_Digest="sha512:" + "0" * 128)
    evil.answer = basic(then)
    check(factory, status=0)


@pytest.mark.parametrize("message", ["\x1b[2J\x1b]0;owned\x07", "a\r\nb", "\x9b31m", "\u202etxt", "x" * 100000])
def test_words_of_a_registry_cannot_steer_a_terminal(factory, evil, message):
    evil.answer = basic(lambda h: h.say_json(403, {"errors": [{"code": message, "message": message}]}))
    result = check(factory)
    assert "\u202e" not in result.err and "\x9b" not in result.err and len(result.err) < 5000
    assert "\x1b" not in check(factory, **{"env": {"NO_COLOR": "1"}}).out
