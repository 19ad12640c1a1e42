"""Bad days of registries and networks: what a user of `pratique check` is told, and with which exit status. Each has a
host of its own, and all are lived through at once, for most take some seconds of trying again."""

import concurrent.futures
import email.utils
import signal
import subprocess
import time

import pytest

from lab import Lab
from lab.ca import Authority

from .factory import SMALL, Factory, digest, matches
from .hostile import HostileServer
from .test_hostile_registry import CONFIG, MANIFEST, PASSWORD, basic, bearer, manifest

USING = "pratique: using factory-config.yml\n"
CONFIGURATION = "container_registries:\n- {{type: generic, url: '{host}', generic_secret_name: creds}}\n"
GOOD = manifest()
DAYS: dict[str, "Day"] = {}


class Day:
    """`answer` is the server's; `login` and `image` are what stands in its lines of the table; `words` are the error's,
    with HOST for the day's own; `faults` are ordered of the lab. The certificate may be `expired`, or by a `stranger`; the host may be one that
    the configuration does not know (`stranger_host`)."""

    def __init__(self, name, answer, words, status, *, login="ok", image="ok", env=None, expired=False, stranger=False,
                 faults=None, stranger_host=False):
        self.name, self.host, self.answer, self.status = name, f"{name}.example.org", answer, status
        self.words = f"pratique: {words}\n".replace("HOST", self.host) if words else ""
        self.login, self.image, self.env, self.faults = login, image, env or {}, faults
        self.expired, self.stranger, self.stranger_host = expired, stranger, stranger_host
        DAYS[name] = self


def works(handler):
    """A registry with one image."""
    if "/blobs/" in handler.path:
        handler.say(200, CONFIG)
    else:
        handler.say(200, GOOD, Content_Type=MANIFEST, Docker_Content_Digest=digest(GOOD))


def halves(then):
    """Half a manifest, and then something; a configuration is answered in full."""
    def answer(handler):
        if "/blobs/" in handler.path:
            works(handler)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", MANIFEST)
        handler.send_header("Content-Length", str(len(GOOD)))
        handler.end_headers()
        handler.wfile.write(GOOD[:len(GOOD) // 2])
        handler.wfile.flush()
        then()
    return answer


def first(number, then):
    """The first requests get this, the others the image."""
    count = iter(range(1000))
    return lambda handler: then(handler) if next(count) < number else works(handler)


def says(status, code=None, message="", **headers):
    if code is None:
        return lambda handler: handler.say(status, **headers)
    return lambda handler: handler.say_json(status, {"errors": [{"code": code, "message": message}]}, **headers)


def page(status):
    return lambda handler: handler.say(status, b"<!DOCTYPE html><title>Guest network</title>",
                                       Content_Type="text/html; charset=utf-8")


def token(handler):
    handler.say_json(200, {"token": f"a-token-{time.monotonic_ns()}", "expires_in": 300})


def ended_token():
    """A registry that forgets the first token that it took."""
    seen = []

    def then(handler):
        if handler.headers["Authorization"] not in seen and len(seen) < 1:
            seen.append(handler.headers["Authorization"])
            handler.say(401, WWW_Authenticate='Bearer realm="https://ended.example.org/token",service="x",'
                                              'error="invalid_token"')
        else:
            works(handler)
    return bearer("https://ended.example.org/token", token, then)


def several(handler):
    if handler.path.startswith("/token"):
        assert "service=a%2Cb" in handler.path
        token(handler)
    elif "Authorization" not in handler.headers:
        handler.say(401, WWW_Authenticate='Negotiate, Digest qop="auth,auth-int", nonce="Bearer realm=x", Basic realm="a, b", '
                                          'Bearer realm="https://several.example.org/token",service="a,b"')
    elif handler.path == "/v2/":
        handler.say(200)
    else:
        assert handler.headers["Authorization"].startswith("Bearer ")
        works(handler)


IMAGE = "app/docker-compose.yml:3: HOST/a/b:1: "
STUCK = "(is it up, and does a firewall or proxy stand between?)"
LATER = "(try again later)"
PORTAL = "(is it a registry, and does a login page or a proxy stand between?)"

# The way there.
Day("unknown", None, "HOST: the proxy refuses to connect to HOST (status 403) (check HTTPS_PROXY and NO_PROXY)", 3,
    login="failed", image="unreachable")
Day("nodns", None, "HOST: the address of HOST cannot be found (check the name and this machine's DNS)", 3,
    login="failed", image="unreachable", env={"HTTPS_PROXY": None, "https_proxy": None})
Day("noproxy", None, "HOST: the address of the proxy cannot be found (check HTTPS_PROXY)", 3,
    login="failed", image="unreachable", env={"HTTPS_PROXY": "http://proxy.invalid:1", "https_proxy": None})
Day("downproxy", None, "HOST: cannot connect to the proxy 127.0.0.1:1: Connection refused (check HTTPS_PROXY)", 3,
    login="failed", image="unreachable", env={"HTTPS_PROXY": "http://127.0.0.1:1", "https_proxy": None})
Day("badgateway", basic(works), "HOST: the proxy refuses to connect to HOST (status 502) (check HTTPS_PROXY and NO_PROXY)",
    3, login="failed", image="unreachable", faults=lambda lab, host: lab.proxy_refuse(host, count=50))
Day("cutproxy", basic(works), "HOST: the connection to HOST was cut off before it was secured "
    "(does it speak TLS there, and does a firewall or proxy stand between?)", 3,
    login="failed", image="unreachable", faults=lambda lab, host: lab.proxy_cut(host, after=100, count=50))
Day("slowproxy", basic(works), f"HOST: no connection to HOST in 1 s {STUCK}", 3,
    login="failed", image="unreachable", faults=lambda lab, host: lab.proxy_stall(host, 5, count=50))
Day("elsewhere", basic(works), "HOST: the machine that answers for HOST has a certificate for another name "
    "(check the name; DNS or a proxy may lead to another machine)", 1, login="failed", image="unreachable",
    faults=lambda lab, host: lab.proxy_divert(host, to="hub.example.com", count=50))
Day("expired", basic(works), "HOST: the certificate of HOST has expired "
    "(its owner must renew it; or this machine's clock is wrong)", 1, login="failed", image="unreachable", expired=True)
Day("unknownca", basic(works), "HOST: the certificate of HOST is signed by a CA that is not trusted here "
    "(put its CA at /etc/docker/certs.d/<any>/ca.crt, or name it with SSL_CERT_FILE)", 1,
    login="failed", image="unreachable", stranger=True)
Day("missingca", basic(works), "HOST: the file of trusted certificates cannot be read (check SSL_CERT_FILE and certs.d)",
    1, login="failed", image="unreachable", env={"SSL_CERT_FILE": "/nonexistent"})

# Answers that do not come, or not whole.
WAIT = "(try again later, or wait longer with PRATIQUE_TIMEOUT=SECONDS)"
Day("stalls", lambda handler: time.sleep(6), f"HOST: HOST did not answer for <n> s {WAIT}", 3,
    login="failed", image="unreachable")
Day("stallsmiddle", basic(halves(lambda: time.sleep(6))), IMAGE + f"HOST did not answer for <n> s {WAIT}", 3,
    image="unreachable")
Day("cuts", basic(halves(lambda: None)), IMAGE + f"HOST cut the connection off in the middle {LATER}", 3,
    image="unreachable")
Day("cutsonce", basic(first(1, halves(lambda: None))), None, 0)
Day("huge", basic(lambda h: h.say_without_end(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", b" " * 65536, 100 << 20)),
    IMAGE + "the answer is larger than 4194304 bytes", 1, image="denied")
Day("endless", basic(lambda h: h.say_without_end(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65536, 100 << 20)),
    IMAGE + "the answer is larger than 4194304 bytes", 1, image="denied")

# Too many, or nobody there.
RATE = "too many requests (status 429)"
Day("busy", basic(says(429, "TOOMANYREQUESTS", "slow down")), IMAGE + f"{RATE}: slow down (TOOMANYREQUESTS) {LATER}", 3,
    image="unreachable")
Day("busyonce", basic(first(1, says(429, Retry_After="1"))), None, 0)
Day("busyasks", basic(says(429, Retry_After="1")), IMAGE + f"{RATE} (try again in 1 s, as it asks)", 3, image="unreachable")
Day("busydate", basic(first(1, lambda h: says(429, Retry_After=email.utils.formatdate(time.time() + 2, usegmt=True))(h))), None, 0)
Day("busyhour", basic(says(429, "TOOMANYREQUESTS", "pull rate limit", Retry_After="3600")),
    IMAGE + f"{RATE}: pull rate limit (TOOMANYREQUESTS) (try again in 3600 s, as it asks)", 3, image="unreachable")
Day("down", basic(says(503)), IMAGE + f"the registry failed (status 503) {LATER}", 3, image="unreachable")
Day("downasks", basic(says(503, Retry_After="1")), IMAGE + "the registry failed (status 503) (try again in 1 s, as it asks)",
    3, image="unreachable")
Day("downhour", basic(says(503, Retry_After="7200")),
    IMAGE + "the registry failed (status 503) (try again in 7200 s, as it asks)", 3, image="unreachable")
Day("downonce", basic(first(1, says(503, Retry_After="0"))), None, 0)
Day("broken", basic(says(500, "UNKNOWN", "disk full")),
    IMAGE + f"the registry failed (status 500): disk full (UNKNOWN) {LATER}", 3, image="unreachable")

# Refusals.
Day("ended", ended_token(), None, 0)
# Who says no may mean that there is no such thing, and the other way round: both readings are named each time.
BOTH = "(give it the right to pull there, or correct the name: some registries also say this of what does not exist)"
OPEN = ("(add it to container_registries in factory-config.yml, with its secret; or correct the name: some registries also "
        "say this of what does not exist)")
Day("forbidden", basic(says(403, "DENIED", "not yours")),
    IMAGE + f"access denied for secret creds: not yours (DENIED) {BOTH}", 1, image="denied")
# ECR of another account; ACR and Docker Hub with a token that is good for less; GHCR by its token service.
Day("scope", bearer("https://scope.example.org/token", token, says(
    401, "UNAUTHORIZED", "authentication required", WWW_Authenticate='Bearer realm="https://scope.example.org/token",'
    'service="x",scope="repository:a/b:pull",error="insufficient_scope"')),
    IMAGE + f"access denied for secret creds: authentication required (UNAUTHORIZED) {BOTH}", 1, image="denied")
Day("tokenscope", bearer("https://tokenscope.example.org/token", lambda h: says(403, "DENIED", "requested access to the resource is "
    "denied")(h) if "scope=" in h.path else token(h)), IMAGE + "access denied for secret creds: requested access to the resource "
    f"is denied (DENIED) {BOTH}", 1, image="denied")
Day("layers", basic(lambda h: says(403, "DENIED", "not the layers")(h) if "/blobs/" in h.path else works(h)),
    IMAGE + "access denied for secret creds: not the layers (DENIED) (give it the right to pull there)", 1, image="denied")
Day("hidden", basic(says(404, "NAME_UNKNOWN", "no such name")),
    IMAGE + "not found: no such name (NAME_UNKNOWN) "
    "(check the name and tag; some registries also say this when the identity may not pull)", 1, image="not-found")
# Without a login. (The configuration names another host.)
Day("openhidden", lambda h: says(404, "NAME_UNKNOWN", "no such name")(h) if "/a/b/" in h.path else h.say(200),
    IMAGE + "not found: no such name (NAME_UNKNOWN) (check the name and tag; a private repository may look like this without "
    "a login)", 1, image="not-found", stranger_host=True)
Day("openscope", lambda h: token(h) if h.path.startswith("/token") else h.say(200) if h.path == "/v2/" else says(
    401, "UNAUTHORIZED", "authentication required", WWW_Authenticate='Bearer realm="https://openscope.example.org/token",'
    'error="insufficient_scope"')(h), IMAGE + f"HOST wants a login and the configuration has none for it {OPEN}", 1, image="denied",
    stranger_host=True)
Day("opentoken", lambda h: (says(401, "UNAUTHORIZED", "authentication required")(h) if "scope=" in h.path else token(h))
    if h.path.startswith("/token") else h.say(200) if "Bearer" in h.headers.get("Authorization", "") and h.path == "/v2/" else
    h.say(401, WWW_Authenticate='Bearer realm="https://opentoken.example.org/token"'),
    IMAGE + f"HOST wants a login and the configuration has none for it: authentication required (UNAUTHORIZED) {OPEN}", 1,
    image="denied", stranger_host=True)
Day("several", several, None, 0)
Day("realm", bearer("https://stranger.example.net/token"), "HOST: the registry asks for credentials to be sent to "
    "stranger.example.net, a stranger's host (ask the registry's owner; no credential was sent)", 1,
    login="failed", image="unreachable")
Day("plainrealm", bearer("http://plainrealm.example.org/token"), "HOST: the registry asks for credentials to be sent to "
    "a place that is not https (its token service must use https)", 1, login="failed", image="unreachable")

# Something else than was asked for.
Day("portal", page(200), f"HOST: a web page answers in place of a registry (status 200) {PORTAL}", 1,
    login="failed", image="unreachable")
Day("loginpage", page(403), f"HOST: a web page answers in place of a registry (status 403) {PORTAL}", 1,
    login="failed", image="denied")
Day("tokenpage", bearer("https://tokenpage.example.org/token", page(200)),
    f"HOST: a web page answers in place of a registry (status 200) {PORTAL}", 1, login="failed", image="unreachable")
Day("manifestpage", basic(page(200)), IMAGE + f"a web page answers in place of a registry (status 200) {PORTAL}", 1,
    image="denied")
Day("wrongdigest", basic(says(200, "x", Docker_Content_Digest="sha256:" + "0" * 64)),
    IMAGE + "the manifest has the digest <digest>, but the registry says <digest> "
    "(somebody changes what the registry sends)", 1, image="denied")
Day("wrongblob", basic(lambda h: h.say(200, CONFIG + b" ") if "/blobs/" in h.path else works(h)),
    IMAGE + "the blob <digest> has another digest: <digest> (somebody changes what the registry sends)", 1,
    image="denied")


def live(day, place):
    place.run("secrets", "update", "creds=-", input=f"mallory:{PASSWORD}")
    began = time.monotonic()
    result = place.run("check", "containers", status=None, env={"PRATIQUE_TIMEOUT": "1", **day.env})
    return result, time.monotonic() - began


@pytest.fixture(scope="module")
def lived(session, running_lab, tmp_path_factory):
    """The result of each day."""
    session.patterns.add_secret("the password at all hosts", PASSWORD)
    other = Authority(tmp_path_factory.mktemp("other"))
    servers, results = [], {}
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        for day in DAYS.values():
            if day.answer:
                context = (other if day.stranger else running_lab.authority).server_context(day.host, expired=day.expired)
                servers.append(HostileServer(running_lab, day.host, day.answer, context=context))
            if day.faults:
                day.faults(running_lab, day.host)
            place = session.place(running_lab.env())
            place.write({"factory-config.yml": "{}\n" if day.stranger_host else CONFIGURATION.format(host=day.host),
                         "containers/app/docker-compose.yml": f"services:\n  a:\n    image: {day.host}/a/b:1\n"})
            results[day.name] = pool.submit(live, day, place)
    yield {name: result.result() for name, result in results.items()}
    running_lab.clear_faults()
    for server in servers:
        server.end()


@pytest.mark.parametrize("name", DAYS)
def test_a_bad_day(lived, name):
    day, (result, seconds) = DAYS[name], lived[name]
    # That something is tried again is said where it takes some time.
    notes = [line for line in result.err.splitlines(True) if "; trying again in " in line]
    said = "".join(line for line in result.err.splitlines(True) if line not in notes)
    assert result.status == day.status, result.text()
    assert matches(said, USING + day.words)
    assert len(notes) <= 3 and (not notes or day.status in (0, 3))
    assert seconds < 60
    assert [line.split()[0] for line in result.out.splitlines()[:2]] == [day.login, day.image], result.out


@pytest.fixture
def other_place(session, lab):
    """A place that knows one host."""
    def make(host, env=None):
        session.patterns.add_secret("the password at all hosts", PASSWORD)
        place = session.place({**lab.env(), **(env or {})})
        place.run("secrets", "update", "creds=-", input=f"mallory:{PASSWORD}")
        place.write({"factory-config.yml": CONFIGURATION.format(host=host),
                     "containers/app/docker-compose.yml": f"services:\n  a:\n    image: '{host}/a/b:1'\n"})
        return place
    return make


def test_a_registry_at_an_address_of_ipv6(lab, other_place):
    server = HostileServer(lab, "::1", basic(works), address="::1")
    try:
        place = other_place(f"[::1]:{server.server_port}", {"NO_PROXY": "::1", "no_proxy": "::1"})
        assert place.run("check", "containers").out.startswith(f"ok          [::1]:{server.server_port}  generic, ")
    finally:
        server.end()
    result = place.run("check", "containers", status=3)
    assert f"cannot connect to [::1]:{server.server_port}: Connection refused {STUCK}\n" in result.err


@pytest.mark.parametrize("given", [None, "right", "wrong"])
def test_a_proxy_that_wants_a_password(session, tmp_path_factory, other_place, given):
    with Lab(tmp_path_factory.mktemp("l"), proxy_auth=True) as own:
        login = own.credentials.proxy
        session.patterns.add_secret("the password of the proxy", login.password)
        server = HostileServer(own, "behind.example.org", basic(works))
        try:
            password = {"right": login.password, "wrong": "not-it-0123456789", None: None}[given]
            session.patterns.add_secret("the wrong password of the proxy", "not-it-0123456789")
            proxy = f"http://{login.user}:{password}@127.0.0.1:{own.proxy_port}" if given else own.env()["HTTPS_PROXY"]
            place = other_place("behind.example.org", {**own.env(), "HTTPS_PROXY": proxy, "https_proxy": proxy})
            result = place.run("-v", "check", "containers", status=0 if given == "right" else 1)
        finally:
            server.end()
    said = ("behind.example.org: the proxy wants a user and a password, or refuses those given "
            "(put them into HTTPS_PROXY, as http://USER:PASSWORD@HOST:PORT)\n")
    assert (said in result.err) == (given != "right")
    assert login.password not in result.text() and "not-it" not in result.text()


@pytest.mark.parametrize("answer", [lambda h: time.sleep(20), says(503, Retry_After="30"), basic(halves(lambda: time.sleep(20)))],
                         ids=["before the answer", "between two tries", "in the middle of an answer"])
def test_interrupted_while_nobody_answers(lab, other_place, answer):
    server = HostileServer(lab, "asleep.example.org", answer)
    try:
        place = other_place("asleep.example.org")
        child = subprocess.Popen([place.programs / "pratique", "check", "containers"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, cwd=place.work, env=place.env)
        while not [r for r in server.seen if "/v2/" == r.path or "manifests" in r.path] and child.poll() is None:
            time.sleep(0.02)
        time.sleep(0.3)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
        assert child.returncode == 130 and time.monotonic() - began < 2
        place.keep("an interrupted check", out + err)
        assert err.decode().endswith(": interrupted\n")
    finally:
        server.end()


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_full_disk(lab, other_place, more):
    server = HostileServer(lab, "fine.example.org", basic(works))
    try:
        place = other_place("fine.example.org")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([place.programs / "pratique", "check", "containers", *more], stdout=full,
                                  stderr=subprocess.PIPE, check=False, cwd=place.work, env=place.env)
    finally:
        server.end()
    assert done.returncode == 1
    assert done.stderr.decode() == USING + "pratique: standard output: cannot write: No space left on device " \
        "(the disk is full: make room and run it again)\n"


def test_a_bundle_that_is_cut_off_goes_on_where_it_was(session, lab):
    factory = Factory.ready(session, lab)
    factory.write(SMALL)
    factory.build()
    lab.clear_log()
    lab.cut(lab.hosts["hub"], after=20, path="/blobs/")
    factory.verify()
    blobs = [r["status"] for r in lab.requests(lab.hosts["hub"]) if "/blobs/" in r["path"]]
    assert blobs[:2] == [200, 206]
