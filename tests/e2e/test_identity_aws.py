"""Identities of AWS: each ends in a private pull, and each refusal of the lab's clouds in the words that a user sees."""

import hashlib
import json
import os
import re
import time

import pytest

from lab.aws_cloud import PLACES, process_keys
from lab.aws_identity import ACCOUNT
from lab.aws_roles import EXTERNAL_ID

from .clients import is_root, path_of
from .hostile import HostileServer

ECR = f"{ACCOUNT}.dkr.ecr.us-east-2.amazonaws.com"
STS, API, SSO = "sts.us-east-2.amazonaws.com", "api.ecr.us-east-2.amazonaws.com", "portal.sso.us-east-2.amazonaws.com"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/"
BASE = "base:1.2"


class Job:
    """A configuration with one entry, a tree with one image of that registry, and the environment of its CI. The home and
    a person's own files lie in memory, for they hold secrets."""

    def __init__(self, session, lab, host=ECR, **settings):
        self.lab, self.host, self.place = lab, host, session.place(lab.env())
        self.memory = session.runtime / f"aws-{self.place.root.name}"
        self.memory.mkdir(mode=0o700)
        lines = "".join(f"  {name}: {value}\n" for name, value in settings.items())
        self.place.write({
            "factory-config.yml": f"container_registries:\n- type: aws\n  url: {host}\n{lines}",
            "tree/Dockerfile": f"FROM {host}/{BASE}\n",
        })
        self.env = {"HOME": str(self.memory)}

    def secret(self, text, name="aws_creds"):
        self.run("secrets", "update", f"{name}=-", input=text)
        return self

    def own(self, name, text):
        """A file below ~/.aws, or another of the person's."""
        path = self.memory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def run(self, *arguments, env=None, **how):
        return self.place.run(*arguments, env={**self.env, **(env or {})}, **how)

    def check(self, status=0, **env):
        return self.run("check", "tree", env=env, status=status)

    def problem(self, status=1, **env):
        """The first error of `check`, without the program's name."""
        lines = [line for line in self.check(status, **env).err.splitlines()
                 if not re.search(": warning: |: using |; trying again in ", line)]
        return lines[0].removeprefix("pratique: ")

    def pulls(self, **env):
        """`check` with a layer, then skopeo, which asks our helper. The answer of `check --json`."""
        shown = self.run("check", "tree", "--json", env=env).json()
        assert shown["images"][0]["status"] == "ok", shown
        into = self.memory / "client"
        self.run("login", "--client", "podman", "--into", into, env={"PATH": path_of(self.place), **env})
        copy = self.memory / "copy"
        self.place.program(
            "skopeo", "copy", "--quiet", f"docker://{self.host}/{BASE}", f"dir:{copy}",
            env={**self.env, "PATH": path_of(self.place), "REGISTRY_AUTH_FILE": str(into / "auth.json"), **env})
        manifest = (copy / "manifest.json").read_bytes()
        assert f"sha256:{hashlib.sha256(manifest).hexdigest()}" == shown["images"][0]["digest"]
        for path in sorted(copy.iterdir()):
            path.unlink()
        copy.rmdir()
        return shown["registries"][0]


@pytest.fixture
def job(session, lab):
    return lambda *host, **settings: Job(session, lab, *host, **settings)


@pytest.fixture
def keys(lab):
    """The text of a shared credentials file with one profile."""

    def text(of="ci", profile="default", more=""):
        key = lab.credentials.aws_keys()[of]
        token = f"aws_session_token = {key.token}\n" if key.token else ""
        return (f"[{profile}]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n{token}{more}")
    return text


def variables(lab, of="ci"):
    key = lab.credentials.aws_keys()[of]
    return {"AWS_ACCESS_KEY_ID": key.key_id, "AWS_SECRET_ACCESS_KEY": key.secret,
            **({"AWS_SESSION_TOKEN": key.token} if key.token else {})}


def asked(lab, host):
    return [r["status"] for r in lab.requests(host)]


# A secret, and a role on top of it.

@pytest.mark.parametrize("of", ["ci", "session"])
def test_keys_in_a_secret(job, keys, of):
    shown = job(aws_creds_secret_name="aws_creds").secret(keys(of)).pulls()
    assert shown["identity"] == "secret aws_creds, profile default"


def test_the_role_of_the_entry_on_top_of_a_secret(job, keys, lab):
    shown = job(aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-pull", role_session_name="nightly@ci").secret(
        keys()).pulls()
    assert shown["identity"] == f"secret aws_creds, profile default, as {SESSION}ci-pull/nightly@ci"
    # The password is the role's: what its keys may do is asked of the registry.
    issued = [lab.identities.issued(p) for p in lab.identities.issued_passwords()]
    assert issued[-1].identity.arn == f"{SESSION}ci-pull/nightly@ci"


def test_roles_are_chained_within_a_secret(job, keys):
    file = keys(profile="base") + (
        f"[hop]\nrole_arn = {ROLE}ci-hop\nsource_profile = base\n"
        f"[default]\nrole_arn = {ROLE}ci-behind\nsource_profile = hop\nduration_seconds = 3600\n")
    shown = job(aws_creds_secret_name="aws_creds").secret(file).pulls()
    assert shown["identity"].endswith(f"as {SESSION}ci-behind/pratique")


def test_an_external_id(job, keys):
    entry = {"aws_creds_secret_name": "aws_creds", "role_arn": ROLE + "ci-partner"}
    job(**entry, external_id=EXTERNAL_ID).secret(keys()).pulls()
    assert re.fullmatch(
        rf"{ECR}: secret aws_creds, profile default: the role {ROLE}ci-partner may not be assumed \(AccessDenied\): User: "
        rf"arn:aws:iam::{ACCOUNT}:user/ci-pull is not authorized .* \(.* without a condition for an external id.*\)",
        job(**entry).secret(keys()).problem())
    assert "this external_id" in job(**entry, external_id="acme/43").secret(keys()).problem()


@pytest.mark.parametrize("line", [
    "credential_process = /bin/true", f"credential_source = Environment\nrole_arn = {ROLE}ci-pull",
    f"web_identity_token_file = /token\nrole_arn = {ROLE}ci-pull", "sso_session = x\nsso_account_id = 1\nsso_role_name = r",
])
def test_a_secret_is_not_code(job, lab, line):
    # Whatever lies around must not be taken instead.
    one = job(aws_creds_secret_name="aws_creds").secret(f"[default]\n{line}\n")
    said = one.run("config", "check", status=2, env=variables(lab)).err
    assert f"secret aws_creds:2: {line.split()[0]} is not followed from inside a secret" in said
    assert one.check(2, **variables(lab)).err.count("is not followed") >= 1
    assert not lab.requests(STS) and not lab.requests(API)


# The environment, as the AWS CLI reads it.

def test_keys_in_the_environment(job, lab):
    shown = job(auth="environment").pulls(**variables(lab, "session"))
    assert shown["identity"] == "auth: environment, AWS_ACCESS_KEY_ID"


def test_a_profile_for_each_registry(job, keys, lab):
    one = job(auth="environment", profile="ci")
    one.own(".aws/credentials", keys(profile="ci") + keys("denied"))
    assert one.pulls(**variables(lab, "denied"))["identity"] == "auth: environment, profile ci"
    two = job(auth="environment")
    two.own(".aws/credentials", keys(profile="ci") + keys("denied"))
    assert two.pulls(AWS_PROFILE="ci")["identity"] == "auth: environment, profile ci"
    assert "may not get a registry password" in two.problem()


def test_a_chain_of_profiles(job, keys):
    one = job(auth="environment", profile="top")
    config = one.own("config", f"[profile top]\nrole_arn = {ROLE}ci-behind\nsource_profile = hop\nrole_session_name = me\n"
                               f"[profile hop]\nrole_arn = {ROLE}ci-hop\nsource_profile = base\n")
    credentials = one.own("credentials", keys(profile="base"))
    env = {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": credentials}
    assert one.pulls(**env)["identity"] == f"auth: environment, profile top, as {SESSION}ci-behind/me"
    looped = one.own("loop", f"[profile top]\nrole_arn = {ROLE}ci-behind\nsource_profile = hop\n"
                             f"[profile hop]\nrole_arn = {ROLE}ci-hop\nsource_profile = top\n")
    said = one.run("config", "check", status=2, env={**env, "AWS_CONFIG_FILE": looped}).err
    assert f"{looped}:6: profiles lead in a circle: top -> hop -> top" in said


def test_a_role_by_the_keys_of_the_environment(job, lab):
    one = job(auth="environment", profile="role")
    one.own(".aws/config", f"[profile role]\nrole_arn = {ROLE}ci-pull\ncredential_source = Environment\n")
    assert one.pulls(**variables(lab))["identity"].endswith(f"as {SESSION}ci-pull/pratique")


def test_the_role_of_the_entry_on_top_of_the_environment(job, lab):
    shown = job(auth="environment", role_arn=ROLE + "ci-pull").pulls(**variables(lab))
    assert shown["identity"] == f"auth: environment, AWS_ACCESS_KEY_ID, as {SESSION}ci-pull/pratique"


def test_web_identity_of_a_pod(job, lab):
    one = job(auth="environment")
    env = {"AWS_ROLE_ARN": ROLE + "ci-cluster", "AWS_ROLE_SESSION_NAME": "pod-1",
           "AWS_WEB_IDENTITY_TOKEN_FILE": one.own("token", lab.oidc_token("sts.amazonaws.com", "cluster") + "\n")}
    assert one.pulls(**env)["identity"].endswith(f"as {SESSION}ci-cluster/pod-1")
    one.own("token", lab.oidc_token("sts.amazonaws.com", "cluster", subject="system:serviceaccount:ci:other"))
    said = one.problem(**env)
    assert "may not be assumed (AccessDenied)" in said
    assert "aud sts.amazonaws.com, sub system:serviceaccount:ci:other" in said
    assert [r["authorization"] for r in lab.requests(STS)] == [False] * len(lab.requests(STS))


def test_credential_process(job, lab):
    one = job(auth="environment", profile="tool")
    key = lab.credentials.aws_ci
    answer = one.own("answer", process_keys(key.key_id, key.secret))
    one.own(".aws/config", f"[profile tool]\ncredential_process = /bin/cat \"{answer}\"\n")
    assert one.pulls()["identity"] == "auth: environment, profile tool, credential_process"
    one.own(".aws/config", "[profile tool]\ncredential_process = /bin/sh -c 'echo \"log in first\" >&2; exit 4'\n")
    assert one.problem().endswith("credential_process failed with status 4: log in first (run the command by itself)")
    one.own(".aws/config", "[profile tool]\ncredential_process = /bin/echo hello\n")
    assert "credential_process does not answer with a JSON object" in one.problem()
    one.own(".aws/config", "[profile tool]\ncredential_process = /bin/sleep 60\n")
    began = time.monotonic()
    assert "does not end within 1 seconds" in one.problem(PRATIQUE_TIMEOUT="1")
    assert time.monotonic() - began < 10
    one.own(".aws/config", "[profile tool]\ncredential_process = /no/such/program\n")
    assert "the program /no/such/program is not there" in one.run("config", "check", status=2).err


@pytest.mark.parametrize("what", [".aws/config", ".aws", ".aws/credentials"])
@pytest.mark.parametrize("spoil", ["others may write it", "it is somebody else's"])
def test_credential_process_of_a_file_that_is_not_ones_own(job, lab, what, spoil):
    """What others may write would be their program, run by us."""
    one = job(auth="environment", profile="tool")
    ran = one.memory / "ran"
    text = f"credential_process = /usr/bin/touch {ran}\n"
    one.own(".aws/config", "[profile tool]\n" + ("" if what.endswith("credentials") else text))
    one.own(".aws/credentials", "[tool]\n" + (text if what.endswith("credentials") else ""))
    if spoil == "others may write it":
        (one.memory / what).chmod(0o777 if what == ".aws" else 0o666)
        words = "can be written by other users"
    elif is_root():
        os.chown(one.memory / what, 12345, 12345)
        words = "belongs to user 12345"
    else:
        pytest.skip("gives files to another user")
    said = one.problem(status=2)
    assert f"{one.memory / what}: it wants to run a program: {words}" in said
    assert not ran.exists()


def sso_job(job, lab, lifetime=3600):
    one = job(auth="environment", profile="sso")
    config, token = lab.aws.sso_files("work", lifetime)
    one.own(".aws/config", config)
    one.own(f".aws/sso/cache/{hashlib.sha1(b'work').hexdigest()}.json", json.dumps(token))
    return one


def test_sso(job, lab):
    assert sso_job(job, lab).pulls()["identity"] == "auth: environment, profile sso, SSO"


def test_sso_logins_end(job, lab):
    hint = "(run `aws sso login --sso-session work`)"
    ended = sso_job(job, lab, lifetime=-5)
    assert re.search(r"profile sso, SSO: the login ended at \S+Z " + re.escape(hint), ended.problem())
    assert not lab.requests(SSO)
    assert hint in ended.run("config", "check", status=1).err
    soon = sso_job(job, lab, lifetime=1200)
    assert "the session of profile sso, SSO ends soon" in soon.run("config", "check").err
    out = sso_job(job, lab)
    lab.sso_log_out()
    assert "the login is no longer valid (UnauthorizedException) " + hint in out.problem()
    never = job(auth="environment", profile="sso")
    never.own(".aws/config", lab.aws.sso_files("work", 60)[0])
    assert "nobody has logged in " + hint in never.run("config", "check", status=2).err


def test_container_credentials(job, lab):
    one = job(auth="environment")
    assert one.pulls(**lab.aws.container_env())["identity"] == "auth: environment, container credentials"
    # A file of the token is read each time: it is renewed, and the cached answer is not asked for by `check`.
    env = {**lab.aws.container_env(), "AWS_CONTAINER_AUTHORIZATION_TOKEN": None}
    env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = one.own("token", lab.aws.container.token)
    one.pulls(**env)
    lab.aws.container.renew()
    two = job(auth="environment")
    assert "refuses the token of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: status 403" in two.problem(**env)
    one.own("token", lab.aws.container.token)
    two.pulls(**env)
    one.own("token", "a\r\nHost: elsewhere")
    assert "has a line end in it" in two.run("config", "check", status=2, env=env).err
    said = two.run("config", "check", status=2, env={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/x"}).err
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI: must be an https URL, or http to loopback, 169.254.170.2" in said


def test_the_role_of_an_instance(job, lab):
    one = job(auth="environment")
    shown = one.pulls(**lab.aws.instance_env())
    assert shown["identity"] == "auth: environment, instance metadata"
    # Never through a proxy: the proxy has not been asked for it.
    assert not [c for c in lab.connects() if c["host"].startswith(("127.", "169."))]
    lab.set_instance_role(None)
    assert "this instance has no role (attach an instance profile" in job(auth="environment").problem(
        **lab.aws.instance_env())


def test_a_metadata_service_that_hangs_costs_a_second(job, lab):
    lab.stall(lab.aws.instance.name, seconds=20, count=5)
    one = job(auth="environment")
    began = time.monotonic()
    said = one.problem(**lab.aws.instance_env())
    assert time.monotonic() - began < 4
    assert "no AWS identity is to be found" in said and "hop limit" in said


def test_nothing_anywhere(job):
    one = job(auth="environment")
    said = one.run("config", "check", status=2).err  # the lab's environment disables instance metadata
    assert "factory-config.yml:4: auth: environment: no AWS identity is to be found" in said


# The CI's own OIDC token.

def test_github(job, lab):
    shown = job(auth="oidc", role_arn=ROLE + "ci-github").pulls(**lab.github_env())
    assert shown["identity"] == f"auth: oidc, as {SESSION}ci-github/pratique"
    said = job(auth="oidc", role_arn=ROLE + "ci-github").problem(2, **lab.github_env(permission=False))
    assert "may not ask GitHub for an OIDC token (add `permissions: {id-token: write" in said


def test_gitlab(job, lab):
    one = job(auth="oidc", role_arn=ROLE + "ci-gitlab", oidc_token_env="AWS_ID_TOKEN")
    assert one.pulls(AWS_ID_TOKEN=lab.oidc_token("sts.amazonaws.com", "gitlab"))["login"] == "ok"


@pytest.mark.parametrize("token,words", [
    ({"audience": "api://AzureADTokenExchange"}, "AWS does not take the OIDC token (InvalidIdentityToken): Incorrect token "
                                                 "audience"),
    ({"issuer": "gitlab"}, "may not be assumed (AccessDenied)"),
    ({"subject": "repo:evil/fork:pull_request"}, "sub repo:evil/fork:pull_request"),
    ({"lifetime": -60}, "the OIDC token of oidc_token_env AWS_ID_TOKEN ended at"),
    ({"nbf": 4102444800}, "InvalidIdentityToken"),
])
def test_tokens_that_aws_does_not_take(job, lab, token, words):
    one = job(auth="oidc", role_arn=ROLE + "ci-github", oidc_token_env="AWS_ID_TOKEN")
    assert words in one.problem(AWS_ID_TOKEN=lab.oidc_token(**{"audience": "sts.amazonaws.com", **token}))
    assert not lab.requests(API)


def test_a_token_that_ends_on_the_way(job, lab):
    """The machine's clock is slow: it looks good here, and AWS finds it ended."""
    one = job(auth="oidc", role_arn=ROLE + "ci-github", oidc_token_env="AWS_ID_TOKEN")
    token = lab.oidc_token("sts.amazonaws.com")
    lab.set_clock_offset(400)
    assert "the OIDC token has ended (ExpiredTokenException)" in one.problem(AWS_ID_TOKEN=token)


# Regions, partitions, kinds of endpoints, and the public gallery.

@pytest.mark.parametrize("name", PLACES)
def test_other_partitions_and_endpoints(job, keys, lab, name):
    place = PLACES[name]
    one = job(place.registry, aws_creds_secret_name="aws_creds").secret(keys())
    one.pulls()
    assert asked(lab, place.api) == [200]
    # A role too, where the lab's roles are.
    if not place.region.startswith("cn-"):
        two = job(place.registry, aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-pull").secret(keys())
        if name == "gov_fips":
            assert "role_arn is not of partition aws-us-gov" in two.run("config", "check", status=2).err
        else:
            two.pulls()
            assert asked(lab, place.sts)[:1] == [200]


def test_the_environment_can_ask_for_other_endpoints(job, keys, lab):
    one = job(aws_creds_secret_name="aws_creds").secret(keys())
    # The lab has no FIPS host in us-east-2: that it is asked for is what counts.
    one.check(3, AWS_USE_FIPS_ENDPOINT="true", PRATIQUE_TIMEOUT="2")
    assert "ecr-fips.us-east-2.amazonaws.com" in [c["host"] for c in lab.connects()]
    one.check(3, AWS_USE_DUALSTACK_ENDPOINT="true", PRATIQUE_TIMEOUT="2")
    assert "ecr.us-east-2.api.aws" in [c["host"] for c in lab.connects()]


def test_endpoints_of_the_environment(job, keys, lab):
    one = job(aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-pull").secret(keys())
    said = one.problem(2, AWS_ENDPOINT_URL_STS="http://sts.example.com")
    assert "the endpoint for STS must be an https URL" in said
    assert not lab.requests(STS)
    said = one.problem(AWS_ENDPOINT_URL_STS=f"https://{PLACES['dual'].sts}")
    assert "AWS refuses the request (SignatureDoesNotMatch): Credential should be scoped to a valid region" in said


def test_the_public_gallery(job, keys, lab):
    one = job("public.ecr.aws", aws_creds_secret_name="aws_creds").secret(keys())
    one.pulls()
    assert lab.aws.gallery.pulled_by[-1] == f"arn:aws:iam::{ACCOUNT}:user/ci-pull"
    nobody = job("public.ecr.aws", aws_creds_secret_name="aws_creds")
    nobody.place.write({"factory-config.yml": "container_registries: []\n"})
    assert "ok" in nobody.check().out
    assert lab.aws.gallery.pulled_by[-1] == "anonymous"
    said = job("public.ecr.aws", aws_creds_secret_name="aws_creds").secret(keys("denied")).problem()
    assert "(allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken on resource *)" in said


# Refusals and bad days.

def test_a_denial_tells_who_it_is(job, keys, lab):
    said = job(aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-none").secret(keys()).problem()
    assert f"{SESSION}ci-none/pratique" in said and "allow ecr:GetAuthorizationToken" in said
    lab.set_coral_errors(True)
    try:
        said = job(aws_creds_secret_name="aws_creds").secret(keys("denied")).problem()
    finally:
        lab.set_coral_errors(False)
    assert f"arn:aws:iam::{ACCOUNT}:user/ci-denied" in said
    assert asked(lab, STS)[-1] == 200


def test_a_session_that_has_ended(job, keys, lab):
    one = job(aws_creds_secret_name="aws_creds").secret(keys("session", more="x_security_token_expires = 2020-01-01T00:00:00Z\n"))
    assert "secret aws_creds:1: the session of profile default ended at 2020-01-01T00:00:00Z" in one.run(
        "config", "check", status=1).err
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    two = job(auth="environment")
    assert f"ends soon, at {soon}" in two.run(
        "config", "check", env={**variables(lab, "session"), "AWS_CREDENTIAL_EXPIRATION": soon}).err
    lab.expire_session()
    try:
        assert "the session token has expired (ExpiredTokenException) (put fresh keys and their session token into the " \
            "environment)" in job(auth="environment").problem(**variables(lab, "session"))
    finally:
        lab.expire_session(expired=False)


def test_mfa_needs_a_person(job, keys):
    one = job(auth="environment", profile="a")
    one.own(".aws/config", f"[profile a]\nrole_arn = {ROLE}ci-pull\nsource_profile = b\nmfa_serial = arn:aws:iam::1:mfa/x\n")
    one.own(".aws/credentials", keys(profile="b"))
    assert "a code that a person reads from a device" in one.run("config", "check", status=2).err


def test_a_clock_that_is_off(job, keys, lab):
    lab.set_clock_offset(3600)
    one = job(aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-pull").secret(keys())
    shown = one.check()
    assert "this machine's clock is 59 minutes slow" in shown.err or "60 minutes slow" in shown.err
    # Once for both services.
    assert shown.err.count("clock is") == 1 and asked(lab, STS) == [403, 200] and asked(lab, API) == [200]


def test_sts_is_busy(job, keys, lab):
    entry = {"aws_creds_secret_name": "aws_creds", "role_arn": ROLE + "ci-pull"}
    lab.throttle(STS, count=2)
    job(**entry).secret(keys()).check()
    lab.throttle(STS, count=9)
    assert "AWS says that there are too many requests (Throttling) (try again later)" in job(**entry).secret(keys()).problem(3)
    lab.clear_faults()
    lab.unavailable(STS, count=9, status=500)
    assert "AWS has a problem of its own (ServiceUnavailable)" in job(**entry).secret(keys()).problem(3)


def test_an_answer_that_is_a_page(job, keys, lab):
    lab.html(STS)
    one = job(aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-pull").secret(keys())
    assert "the answer to AssumeRole is not the XML of STS (is there a proxy" in one.problem()


def test_an_answer_without_end(job, keys, lab):
    """16 MiB and more; little of it is taken."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"
    port = lab.ports[STS]
    server = HostileServer(lab, STS, lambda request: request.say_without_end(head, b"<a>" + b"x" * 65533))
    try:
        one = job(aws_creds_secret_name="aws_creds", role_arn=ROLE + "ci-pull").secret(keys())
        assert one.problem().endswith("profile default: the answer is larger than 262144 bytes")
    finally:
        server.end()
        lab.ports[STS] = port


def test_one_role_for_many_registries(job, keys, lab):
    """Of two regions: one session, two passwords."""
    one = job(aws_creds_secret_name="aws_creds").secret(keys())
    dual = PLACES["dual"].registry
    one.place.write({
        "factory-config.yml": "container_registries:\n" + "".join(
            f"- {{type: aws, url: {host}, aws_creds_secret_name: aws_creds, role_arn: '{ROLE}ci-pull'}}\n"
            for host in (ECR, dual)),
        "tree/Dockerfile": f"FROM {ECR}/{BASE}\nFROM {dual}/{BASE}\n",
    })
    one.check()
    assert len(lab.requests(STS)) + len(lab.requests(PLACES["dual"].sts)) == 1


# The same files, given to the AWS CLI.

def aws(one, *arguments, **env):
    return one.place.program("/usr/bin/aws", *arguments, "--region", "us-east-2", status=None,
                             env={**one.env, "AWS_MAX_ATTEMPTS": "1", "AWS_STS_REGIONAL_ENDPOINTS": "regional", **env})


@pytest.mark.parametrize("profile", ["chain", "tool", "keys"])
def test_the_aws_cli_is_the_same_identity(job, keys, lab, profile):
    one = job(auth="environment", profile=profile)
    key = lab.credentials.aws_ci
    one.own(".aws/credentials", keys(profile="keys"))
    one.own(".aws/config", (
        f"[profile chain]\nrole_arn = {ROLE}ci-pull\nsource_profile = keys\nrole_session_name = same\n"
        f"[profile tool]\ncredential_process = /bin/cat \"{one.own('answer', process_keys(key.key_id, key.secret))}\"\n"))
    caller = json.loads(aws(one, "sts", "get-caller-identity", "--profile", profile).out)["Arn"]
    one.pulls()
    ours = lab.identities.issued(lab.identities.issued_passwords()[-1]).identity.arn
    assert ours == caller
    before = len(lab.identities.issued_passwords())
    done = aws(one, "ecr", "get-login-password", "--profile", profile)
    one.place.outputs[-2:] = []  # the password is what it is to print
    assert done.status == 0 and done.out.strip() == lab.identities.issued_passwords()[before]
    assert lab.identities.issued(done.out.strip()).identity.arn == ours
