"""Registries with a user and a token: passwords that contain anything, names as the field's services have them, Docker Hub by
its several names, and the logins that clients on this machine have already."""

import base64
import json
import shutil
import subprocess
import time

import pytest

from .factory import Factory
from .hostile import HostileServer
from .test_check import image

HOST = "ghcr.example.com"
IMAGE = f"{HOST}/acme/broker:2"
SECRET = f"- {{type: generic, url: {HOST}, generic_secret_name: creds}}\n"
ENVIRONMENT = f"- {{type: generic, url: {HOST}, auth: environment}}\n"


def pair(user, password):
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class Generic:
    def __init__(self, session, lab, entry, used=IMAGE):
        self.session, self.lab = session, lab
        self.factory = Factory(session, lab, config="container_registries:\n" + entry)
        self.factory.write({"app/docker-compose.yml": f"services: {{a: {{image: '{used}'}}}}\n"})
        self.place = self.factory.place

    def give(self, below, document):
        """A file of the home that holds secrets by right."""
        path = self.place.home / "given-secrets" / below.replace("/", "_")
        path.parent.mkdir(exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        link = self.place.home / below
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        return path

    def helper(self, name, script):
        folder = self.place.home / "given-secrets/bin"
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / f"docker-credential-{name}"
        program.write_text("#!/bin/sh\n" + script)
        program.chmod(0o755)
        return {"PATH": f"{folder}:{self.place.env['PATH']}"}

    def check(self, status=0, **env):
        return self.factory.run("check", "containers", status=status, env=env)

    def pull(self, **env):
        """`check` is content, layers included; then another program pulls through the helper."""
        result = self.check(**env)
        place = self.place
        place.run("login", HOST, env=env)
        shutil.rmtree(place.work / "pulled", ignore_errors=True)
        place.program("skopeo", "copy", "-q", f"docker://{IMAGE}", f"dir:{place.work}/pulled",
                      env={**env, "PATH": f"{place.programs}:{place.env['PATH']}"})
        assert (place.work / "pulled/manifest.json").is_file()
        return result


@pytest.fixture
def generic(session, lab):
    """One whose secret is the lab's login."""
    made = Generic(session, lab, SECRET)
    made.factory.give_secret("creds", str(lab.credentials.generic))
    return made


@pytest.fixture
def environment(session, lab):
    return Generic(session, lab, ENVIRONMENT)


def login(lab):
    return pair(lab.credentials.generic.user, lab.credentials.generic.password)


# Secrets.


def test_a_user_and_a_token(generic):
    assert f"ok          {HOST}  generic, secret creds" in generic.pull().out


@pytest.mark.parametrize("password", [
    "a:b::c:", '"quoted" \\ and \'this\'', "%41%3A$HOME `id` $(id)", "{\"json\": [1]}", "gr\u00fc\u00df-\u5bc6\u7801-\U0001f511", "x" * 72,
    "&=+?#/@", "-n", "<token>",
])
def test_passwords_that_contain_anything(session, lab, password, secret):
    secret("a password of this test", password)
    before = lab.credentials.generic
    lab.change_password("generic", password)
    try:
        made = Generic(session, lab, SECRET)
        made.factory.give_secret("creds", f"{before.user}:{password}\n")
        made.pull()
    finally:
        lab.change_password("generic", before.password)


def basic_of(user, password):
    """A registry that takes just this login."""
    def answer(handler):
        if handler.headers.get("Authorization") != "Basic " + pair(user, password):
            handler.say(401, WWW_Authenticate='Basic realm="registry"')
        elif handler.path == "/v2/":
            handler.say(200)
        else:
            image(handler)
    return answer


@pytest.mark.parametrize(("host", "user", "password"), [
    ("registry.gitlab.com", "gitlab+deploy-token-70", "gldt-4dYVxs8uyF2mQ3wR"),
    ("registry.gitlab.com", "gitlab-ci-token", "glcbt-64_V8hJx2mNq4tRw7zK"),
    ("ghcr.io", "octocat", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
    ("quay.io", "acme+puller", "J5V6H3ZQX0T9M1B8R2YD7K4W"),
    ("harbor.example.org", "robot$acme+ci-pull", "fW0tR8kYq5ZpL2vN"),
    ("registry.example.org", "AzureDiamond", "hunter2-hunter2"),
])
def test_names_as_the_field_has_them(session, lab, host, user, password, secret):
    secret("the token at that service", password)
    server = HostileServer(lab, host, basic_of(user, password))
    try:
        made = Generic(session, lab, f"- {{type: generic, url: '{host}', generic_secret_name: creds}}\n", f"{host}/acme/a:1")
        made.factory.give_secret("creds", f"{user}:{password}")
        assert f"ok          {host}/acme/a:1" in made.check().out
    finally:
        server.end()


HUB_PASSWORD = "dckr_pat_0F2k9sLq7TzXb4Wm"
HUB_NAMES = ["docker.io", "index.docker.io", "registry-1.docker.io"]


@pytest.fixture
def hub(lab, secret):
    secret("the token at Docker Hub", HUB_PASSWORD)
    server = HostileServer(lab, "registry-1.docker.io", basic_of("ada", HUB_PASSWORD))
    yield server
    server.end()


@pytest.mark.parametrize("name", HUB_NAMES)
def test_docker_hub_in_the_configuration(session, lab, hub, name):
    made = Generic(session, lab, f"- {{type: generic, url: {name}, generic_secret_name: creds}}\n", "ada/app:1")
    made.factory.give_secret("creds", f"ada:{HUB_PASSWORD}")
    assert "ok          docker.io  generic, secret creds" in made.check().out
    assert "the configuration is good" in made.factory.run("config", "check").out
    made.place.run("login", "--into", "clients")
    for asked in [*HUB_NAMES, "https://index.docker.io/v1/"]:
        # Not by place.run, which keeps outputs for the search of secrets.
        answer = subprocess.run([made.place.programs / "docker-credential-pratique", "get"], input=asked.encode(), check=False,
                                capture_output=True, env={**made.place.env, "DOCKER_CONFIG": str(made.place.work / "clients")})
        assert json.loads(answer.stdout)["Secret"] == HUB_PASSWORD, asked


def test_docker_hub_by_its_url_is_told_the_right_name(session, lab):
    made = Generic(session, lab, "- {type: generic, url: 'https://index.docker.io/v1/', generic_secret_name: creds}\n")
    assert "`url` has a scheme (write `url: docker.io`)" in made.factory.run("config", "check", status=2).err


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "https://index.docker.io/v1"])
def test_docker_hub_in_a_clients_configuration(session, lab, hub, key):
    made = Generic(session, lab, "- {type: generic, url: docker.io, auth: environment}\n", "ada/app:1")
    made.give(".docker/config.json", {"auths": {key: {"auth": pair("ada", HUB_PASSWORD)}}})
    assert f"generic, login in {made.place.home}/.docker/config.json" in made.check().out


# Logins of clients.


def test_a_login_of_docker(environment, lab):
    environment.give(".docker/config.json", {"auths": {HOST: {"auth": login(lab)}, "other.example.com": {}}})
    result = environment.pull()
    assert f"ok          {HOST}  generic, login in {environment.place.home}/.docker/config.json" in result.out
    assert "the configuration is good" in environment.factory.run("config", "check").out


@pytest.mark.parametrize("key", [f"https://{HOST}", f"https://{HOST}/v2/", f"{HOST}:443", HOST.upper(), f"{HOST}/acme",
                                 f"{HOST}/acme/broker"])
def test_keys_as_clients_have_written_them(environment, lab, key):
    environment.give(".config/containers/auth.json", {"auths": {key: {"auth": login(lab)}}})
    assert f"login in {environment.place.home}/.config/containers/auth.json" in environment.check().out


def test_the_first_place_wins(environment, lab):
    wrong = {"auths": {HOST: {"auth": pair("nobody", "nothing-at-all")}}}
    right = {"auths": {HOST: {"auth": login(lab)}}}
    environment.give(".docker/config.json", wrong)
    environment.give(".config/containers/auth.json", right)
    assert ".config/containers/auth.json" in environment.check().out
    environment.give(".config/containers/auth.json", wrong)
    run = environment.place.root / "run/containers"
    run.mkdir()
    (run / "auth.json").symlink_to(environment.give("run-auth.json", right))
    assert "run/containers/auth.json" in environment.check().out
    (run / "auth.json").unlink()
    named = environment.give("named.json", right)
    assert str(named) in environment.check(REGISTRY_AUTH_FILE=str(named)).out
    environment.give("named.json", wrong)
    result = environment.check(REGISTRY_AUTH_FILE=str(named), DOCKER_AUTH_CONFIG=json.dumps(right))
    assert "login in DOCKER_AUTH_CONFIG" in result.out
    # Named: then no other file is looked at.
    result = environment.check(status=2, REGISTRY_AUTH_FILE="/nowhere.json")
    assert f"no client is logged in to {HOST}; looked in /nowhere.json (`docker login {HOST}`" in result.err


def test_nobody_is_logged_in(environment):
    result = environment.check(status=2)
    home = environment.place.home
    assert (f"factory-config.yml:2: auth: environment: no client is logged in to {HOST}; looked in "
            f"{environment.place.root}/run/containers/auth.json, {home}/.config/containers/auth.json, {home}/.docker/config.json"
            ) in result.err
    environment.give(".docker/config.json", {"auths": {"other.example.com": {"auth": pair("a", "nothing-at-all")}}})
    assert "no client is logged in" in environment.factory.run("config", "check", status=2).err


def test_logins_are_used_only_where_an_entry_says_so(session, lab):
    made = Generic(session, lab, "- {type: generic, url: other.example.com, auth: environment}\n")
    made.give(".docker/config.json", {"auths": {h: {"auth": login(lab)} for h in (HOST, "other.example.com")}})
    assert f"{HOST}  anonymous" in made.check(status=1).out
    assert not any(r["authorization"] for r in lab.requests(HOST))


@pytest.mark.parametrize("document", [{"credHelpers": {HOST: "vault"}, "auths": {HOST: {"auth": pair("a", "wrong-password")}}},
                                      {"credsStore": "vault", "auths": {HOST: {}}}])
def test_a_helper_of_docker(environment, lab, document):
    environment.give(".docker/config.json", document)
    answer = json.dumps({"ServerURL": HOST, "Username": lab.credentials.generic.user, "Secret": lab.credentials.generic.password})
    env = environment.helper("vault", f"[ \"$1\" = get ] && [ \"$(cat)\" = {HOST} ] || exit 3\ncat <<'E'\n{answer}\nE\n")
    # Offline it is not asked, but must be there.
    assert "the configuration is good" in environment.factory.run("config", "check", env=env).out
    result = environment.check(**env)
    assert f"login of {environment.place.home}/.docker/config.json, by docker-credential-vault" in result.out
    result = environment.factory.run("config", "check", status=2)
    assert "the helper docker-credential-vault is not on PATH" in result.err


def test_helpers_that_do_not_help(environment, lab):
    environment.give(".config/containers/auth.json", {"credHelpers": {HOST: "vault"}})
    environment.give(".docker/config.json", {"auths": {HOST: {"auth": login(lab)}}})
    env = environment.helper("vault", "echo credentials not found in native keychain; exit 1\n")
    assert "login in" in environment.check(**env).out
    env = environment.helper("vault", "echo the vault is sealed; exit 1\n")
    result = environment.check(status=1, **env)
    assert "docker-credential-vault ends with status 1: the vault is sealed" in result.err
    env = environment.helper("vault", "echo '<html>'\n")
    assert "docker-credential-vault: prints no user name and secret" in environment.check(status=1, **env).err
    env = environment.helper("vault", "head -c 20000000 /dev/zero\n")
    assert "prints more than" in environment.check(status=1, **env).err
    # Not from the working directory, whatever PATH says.
    environment.place.write({"docker-credential-mine": "#!/bin/sh\ntouch ran\n"})
    (environment.place.work / "docker-credential-mine").chmod(0o755)
    environment.give(".config/containers/auth.json", {"credHelpers": {HOST: "mine"}})
    result = environment.check(status=2, PATH=f".:{environment.place.env['PATH']}")
    assert "the helper docker-credential-mine is not on PATH" in result.err
    assert not (environment.place.work / "ran").exists()
    environment.give(".config/containers/auth.json", {"credHelpers": {HOST: "../../tmp/x"}})
    assert "has no name that a program can have" in environment.check(status=2).err


def test_a_helper_that_hangs(environment):
    environment.give(".config/containers/auth.json", {"credHelpers": {HOST: "vault"}})
    env = environment.helper("vault", "exec sleep 60\n")
    begun = time.monotonic()
    result = environment.check(status=1, **env)
    assert "10 seconds" in result.err and time.monotonic() - begun < 20


def test_our_own_helper_is_not_asked(environment, lab):
    # `login` put it there, for the same host: it would ask us.
    environment.give(".docker/config.json", {"credHelpers": {HOST: "pratique"}, "auths": {HOST: {"auth": login(lab)}}})
    assert f"login in {environment.place.home}/.docker/config.json" in environment.pull().out
    environment.give(".docker/config.json", {"credHelpers": {HOST: "pratique"}})
    assert "no client is logged in" in environment.check(status=2).err


@pytest.mark.parametrize(("document", "words"), [
    ("<html>", "is not JSON with logins of a client"),
    ({"auths": {HOST: {"auth": "%%%"}}}, f"the login for {HOST} is not in base64"),
    ({"auths": {HOST: {"auth": "bm9jb2xvbg=="}}}, f"the login for {HOST} is not <user>:<password>"),
    ({"auths": {HOST: {"registrytoken": "abc"}}}, "which is not supported"),
    ({"auths": {f"{HOST}/a": {"auth": "YTpi"}, f"{HOST}/b": {"auth": "YTpi"}}}, f"several logins for parts of {HOST}"),
])
def test_files_that_are_broken(environment, document, words):
    environment.give(".docker/config.json", document)
    for command in (("check", "containers"), ("config", "check")):
        assert words in environment.factory.run(*command, status=2).err


def test_a_helper_that_asks_us_again_hears_that_there_is_nothing(environment):
    """Else each of the two would start the other, without an end."""
    place, asked = environment.place, environment.place.root / "asked"
    env = environment.helper("round", f"echo once >> {asked}\nexec {place.programs}/docker-credential-pratique \"$@\"\n")
    environment.give(".config/containers/auth.json", {"credHelpers": {HOST: "round"}})
    place.run("login", HOST, env=env)
    result = environment.check(2, **env)
    assert f"auth: environment: no client is logged in to {HOST}" in result.err
    assert asked.exists()
    # The same by the program itself.
    environment.helper("round", f"echo once >> {asked}\nexec {place.programs}/pratique credential \"$@\"\n")
    assert f"auth: environment: no client is logged in to {HOST}" in environment.check(2, **env).err
