"""Tokens and passwords that end in the middle of a run: one fresh one is fetched, once, by whoever is refused first, and all
go on with it; where that one is refused as well, it is over."""

import concurrent.futures
import json
import time

import pytest

from .factory import Factory, digest
from .hostile import HostileServer
from .test_hostile_registry import CONFIG, MANIFEST, PASSWORD, manifest

HOST = "tokens.example.org"
USING = "pratique: using factory-config.yml\n"
COUNT = 30
BOTH = "(give it the right to pull there, or correct the name: some registries also say this of what does not exist)"


class Registry:
    """One repository with as many images as tags; a token is good for so many requests (`lives`, one after another; the last
    one's is endless unless it is 0)."""

    def __init__(self, lives, service=None):
        self.lives, self.service = lives, service
        self.given, self.scoped = [], 0

    def __call__(self, handler):
        if handler.path.startswith("/token"):
            self._token(handler)
        elif "Authorization" not in handler.headers:
            self._refuse(handler)
        elif handler.path == "/v2/":
            handler.say(200)
        else:
            self._serve(handler)

    def _token(self, handler):
        if "push" in handler.path:
            handler.say(403)
        elif "scope=" in handler.path:
            self.scoped += 1
            if self.service and self.scoped > 1:
                self.service(handler)
                return
            self.given.append([f"token-{self.scoped}", (self.lives + [10**9] * 9)[len(self.given)]])
            handler.say_json(200, {"token": self.given[-1][0], "expires_in": 3600})
        else:
            handler.say_json(200, {"token": "of-the-login", "expires_in": 3600})

    def _refuse(self, handler):
        handler.say_json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}, WWW_Authenticate=(
            f'Bearer realm="https://{HOST}/token",service="x",error="invalid_token"'))

    def _serve(self, handler):
        # Only the newest is good, and each request uses some of its life.
        token = self.given[-1]
        token[1] -= handler.headers["Authorization"] == f"Bearer {token[0]}"
        if handler.headers["Authorization"] != f"Bearer {token[0]}" or token[1] < 0:
            self._refuse(handler)
        elif "/blobs/" in handler.path:
            handler.say(200, CONFIG)
        else:
            content = manifest(annotations={"tag": handler.path})
            handler.say(200, content, Content_Type=MANIFEST, Docker_Content_Digest=digest(content))


@pytest.fixture
def place(session, lab):
    session.patterns.add_secret("the password at all hosts", PASSWORD)
    factory = Factory(session, lab, config=(
        f"container_registries:\n- {{type: generic, url: {HOST}, generic_secret_name: creds}}\n"))
    factory.give_secret("creds", f"mallory:{PASSWORD}")
    factory.write({"app/docker-compose.yml": "services:\n" + "".join(
        f"  s{n}:\n    image: {HOST}/a/b:{n}\n" for n in range(COUNT))})
    return factory


@pytest.fixture
def check(place, lab):
    def run(registry, status):
        server = HostileServer(lab, HOST, registry)
        try:
            return place.run("check", "containers", status=status)
        finally:
            server.end()
    return run


def test_a_token_that_lasts_is_fetched_once(check):
    registry = Registry([])
    result = check(registry, 0)
    assert registry.scoped == 1 and result.out.count("\nok ") == COUNT


@pytest.mark.parametrize("life", [0, 1, 25, 45])
def test_a_token_that_ends_is_fetched_anew_once(check, life):
    registry = Registry([life])
    result = check(registry, 0)
    assert result.err == USING and registry.scoped == 2 and result.out.count("\nok ") == COUNT


def test_the_second_token_is_refused_as_well(check):
    registry = Registry([5, 0])
    result = check(registry, 1)
    assert registry.scoped == 2
    lines = result.err.splitlines(True)[1:]
    words = "access denied for secret creds: authentication required (UNAUTHORIZED) "
    assert lines and set(line.split(": ", 3)[3] for line in lines) <= {
        f"{words}{BOTH}\n", f"{words}(give it the right to pull there)\n"}  # the latter of a layer


def test_the_token_service_refuses_the_second_time(check):
    registry = Registry([5], lambda h: h.say_json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}))
    result = check(registry, 1)
    assert f": access denied for secret creds: who are you (UNAUTHORIZED) {BOTH}\n" in result.err
    assert set(line.split()[0] for line in result.out.splitlines()) <= {"ok", "denied", "to"}


@pytest.mark.parametrize(("headers", "hint"), [({"Retry_After": "600"}, "try again in 600 s, as it asks"), ({}, "try again later")])
def test_the_token_service_is_down_the_second_time(check, headers, hint):
    registry = Registry([5], lambda h: h.say(503, **headers))
    began = time.monotonic()
    result = check(registry, 3)
    # All that wait are told at once, and do not try one after the other.
    assert time.monotonic() - began < 20
    assert f": the token service failed (status 503) ({hint})\n" in result.err
    assert set(line.split()[0] for line in result.out.splitlines()) <= {"ok", "unreachable", "to"}


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def while_it_runs(factory, condition, then):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        result = pool.submit(factory.run, "check", "containers", "--json", status=None)
        wait_for(condition)
        then()
        return result.result()


def test_azure_after_an_hour(session, lab):
    factory = Factory(session, lab).give_secrets()
    factory.write({"app/docker-compose.yml": "services:\n  a: {image: acme.azurecr.io/web/nginx:1.25}\n"
                                             "  b: {image: acme.azurecr.io/base/python:3.11}\n"})
    azure = lab.hosts["azure"]

    def fetched():
        return [r["path"] for r in lab.requests(azure) if "scope=" in r["path"] and "push" not in r["path"]]
    lab.stall(azure, 1, count=2, path="/manifests/")
    result = while_it_runs(factory, lambda: len(fetched()) == 2, lab.end_azure_tokens)
    assert result.status == 0 and [i["status"] for i in result.json()["images"]] == ["ok", "ok"]
    assert len(fetched()) == 4 and len(set(fetched())) == 2


@pytest.mark.parametrize("again", [False, True])
def test_ecr_after_twelve_hours(session, lab, again):
    factory = Factory(session, lab).give_secrets()
    ecr, api = lab.hosts["ecr"], lab.hosts["ecr_api"]
    factory.write({"app/docker-compose.yml": f"services:\n  a: {{image: '{ecr}/base:1.2'}}\n  b: {{image: '{ecr}/tools/compiler:3'}}\n"})
    lab.stall(ecr, 1, count=4 if again else 2, path="/manifests/")

    def expire():
        lab.expire_ecr_passwords()
        if again:
            wait_for(lambda: len(lab.requests(api)) == 2)
            lab.expire_ecr_passwords()
    result = while_it_runs(factory, lambda: any(
        r["path"] == "/v2/" and r["status"] == 200 for r in lab.requests(ecr)), expire)
    assert len(lab.requests(api)) == 2
    assert [i["status"] for i in result.json()["images"]] == (["denied"] * 2 if again else ["ok"] * 2), json.dumps(result.json())
    if again:
        assert result.json()["images"][0]["error"].startswith("access denied for secret aws_creds, profile default: ")
