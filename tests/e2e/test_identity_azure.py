"""Identities of Azure: each ends in a private pull, and each refusal of the lab's Entra ID and registries in the words
that a user sees."""

import datetime
import json
import re
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lab.entra import DOMAIN, OTHER_TENANT, TENANT
from lab.oidc import GITHUB_ISSUER, SUBJECTS

from .clients import get, path_of, runtime
from .factory import Factory
from .hostile import HostileServer

ACR, LABEL, US, CN = "acme.azurecr.io", "acme-dxf7h2bqa4c9gjkm.azurecr.io", "acme.azurecr.us", "acme.azurecr.cn"
ENTRA = "login.microsoftonline.com"
# What no job hands on to another.
CLEAN = dict.fromkeys((
    "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER",
))


class Job:
    """A factory whose one app is the image of a Dockerfile FROM a registry of Azure, and the environment of its CI."""

    def __init__(self, session, lab, **settings):
        self.session, self.lab, self.env = session, lab, dict(CLEAN)
        self.hosts = hosts = settings.pop("hosts", [ACR])
        lines = "".join(
            f"- {{type: azure, url: {host}, {', '.join(f'{k}: {v}' for k, v in settings.items())}}}\n" for host in hosts)
        name = f"az{session.place().root.name}"
        self.factory = Factory(session, lab, name=name, config=(
            f"container_registries:\n{lines}hub: {{url: hub.example.com/{name}, hub_secret_name: hub_creds}}\n"
            "lmp: {machines: [intel-corei7-64]}\ncontainers: {platforms: [amd64]}\n"))
        self.factory.run("secrets", "update", f"hub_creds=={lab.secrets_directory / 'hub_creds'}")
        self.factory.write({f"app{n}/Dockerfile": f"FROM {host}/web/nginx:1.25\nCOPY a /a\n" for n, host in enumerate(hosts)}
                           | {f"app{n}/a": "a\n" for n, _ in enumerate(hosts)})

    def secret(self, name, value):
        # Of PEM text the third line, which is none of those that all keys have.
        self.session.patterns.add_secret(name, value.splitlines()[2] if "\n" in value else value)
        self.factory.run("secrets", "update", f"{name}=-", input=value)
        return self

    def file(self, name, content):
        # In memory, and gone with the session, as what a platform mounts.
        path = self.session.runtime / f"{self.factory.name}-{name}"
        path.write_text(content)
        return str(path)

    def check(self, status=0, **env):
        return self.factory.run("check", "containers", env={**self.env, **env}, status=status)

    def problem(self, status=1, **env):
        """The first error of `check`, without the program's name."""
        lines = [line for line in self.check(status, **env).err.splitlines()
                 if not re.search(": warning: |: using |; trying again in ", line)]
        return lines[0].removeprefix("pratique: ")

    def pulls(self, **env):
        """`check` down to a layer, and skopeo with what the helper hands out; each asks the cloud for itself."""
        place = self.factory.place
        shown = self.check(**env)
        assert "ok          " in shown.out, shown.text()
        path = {"PATH": path_of(place)}
        self.factory.run("login", cwd=self.factory.work, env={**self.env, **env, **path})
        for entry in runtime(place).iterdir():
            entry.unlink()
        for number, host in enumerate(self.hosts):
            place.program("skopeo", "copy", "-q", "--override-arch", "amd64", "--override-os", "linux",
                          f"docker://{host}/web/nginx:1.25", f"dir:{place.work}/pulled{number}", env={**self.env, **env, **path})
            assert (place.work / f"pulled{number}/manifest.json").exists()
        return shown

    def builds(self, **env):
        """`target build` of a Dockerfile FROM the image, by buildah with what pratique hands out."""
        self.factory.run("secrets", "update", "tuf_passphrase=-", input="a passphrase of some length")
        self.factory.run("tuf", "init", "tuf", env=CLEAN)
        built = self.factory.run("target", "build", "containers", "--tuf", "tuf", env={**self.env, **env})
        assert any("bud" in call for call in self.factory.place.calls("buildah")), built.text()


def entra_requests(lab, host=ENTRA):
    return [(r["path"], r["status"]) for r in lab.requests(host)]


@pytest.fixture
def job(session, lab):
    return lambda **settings: Job(session, lab, **settings)


@pytest.fixture
def principal(job, lab):
    """A service principal with a client secret, through Entra ID."""
    return job(azure_principal_secret_name="azprincipal", azure_tenant=TENANT).secret(
        "azprincipal", str(lab.credentials.azure_pull))


@pytest.fixture
def oidc(job, lab):
    made = job(auth="oidc", azure_tenant=TENANT, azure_client_id=lab.credentials.azure_pull.user)
    made.env |= lab.github_env()
    return made


def certified(job, lab, **how):
    pem = lab.azure_certificate(lab.credentials.azure_pull.user, **how)
    return job(azure_cert_secret_name="azcert", azure_tenant=TENANT,
               azure_client_id=lab.credentials.azure_pull.user).secret("azcert", pem)


# Each identity pulls.


def test_a_client_secret_through_entra_id(principal, lab):
    shown = principal.check()
    assert f"ok          {ACR}  azure, secret azprincipal, tenant {TENANT}, pull only\n" in shown.out
    # One token of Entra ID, one exchange; then tokens of just what is done.
    assert entra_requests(lab) == [(f"/{TENANT}/oauth2/v2.0/token", 200)]
    asked = [(r["method"], r["path"], r["status"]) for r in lab.requests(ACR) if r["path"].startswith("/oauth2/")]
    assert asked[:2] == [("POST", "/oauth2/exchange", 200), ("POST", "/oauth2/token", 200)]
    # The second run finds the refresh token in the cache, and still knows what it is.
    lab.clear_log()
    principal.check()
    asked = [(r["method"], r["path"], r["status"]) for r in lab.requests(ACR) if r["path"].startswith("/oauth2/")]
    assert entra_requests(lab) == [] and set(asked) == {("POST", "/oauth2/token", 200)}
    assert all(r["scheme"] != "Basic" for r in lab.requests(ACR))
    principal.pulls()
    principal.builds()


def test_docker_gets_the_refresh_token_as_a_password(principal, lab):
    principal.factory.run("login", cwd=principal.factory.work, env={"PATH": path_of(principal.factory.place)})
    user, secret = get(principal.factory.place, ACR)
    claims = jwt.decode(secret, options={"verify_signature": False})
    assert user == "00000000-0000-0000-0000-000000000000" and claims["grant_type"] == "refresh_token"
    # Three hours here; the cache believes the token.
    entry, = (p for p in runtime(principal.factory.place).iterdir() if p.suffix == ".token")
    assert f"\nexpires 10\n{claims['exp']}\n" in entry.read_text()


def test_a_tenant_may_be_a_domain(job, lab):
    job(azure_principal_secret_name="p", azure_tenant=DOMAIN).secret("p", str(lab.credentials.azure_pull)).pulls()


def test_a_certificate(job, lab):
    shown = certified(job, lab).pulls()
    assert f"azure, secret azcert, tenant {TENANT}, pull only\n" in shown.out and "warning" not in shown.err


def test_the_ci_s_own_token_from_github(oidc, lab):
    shown = oidc.pulls()
    oidc.builds()
    assert f"azure, GitHub's token service, tenant {TENANT}, pull only\n" in shown.out
    asked = [r["path"] for r in lab.requests(lab.hosts["github"])]
    assert asked and all("audience=api%3A%2F%2FAzureADTokenExchange" in path for path in asked)


def test_the_ci_s_own_token_in_a_variable(job, lab):
    made = job(auth="oidc", azure_tenant=TENANT, azure_client_id=lab.credentials.azure_pull.user,
               oidc_token_env="CI_JOB_JWT")
    made.pulls(CI_JOB_JWT=lab.oidc_token("api://AzureADTokenExchange", "gitlab"))


def environment(lab, **more):
    return {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": lab.credentials.azure_pull.user, **more}


def test_the_environment_in_the_order_of_azure_identity(job, lab):
    made = job(auth="environment")
    file = made.file("token", lab.oidc_token("api://AzureADTokenExchange", "cluster") + "\n")
    pem = made.file("cert.pem", lab.azure_certificate(lab.credentials.azure_pull.user))
    managed = lab.managed_identity_env()
    names = {"AZURE_CLIENT_SECRET": lab.credentials.azure_pull.password, "AZURE_CLIENT_CERTIFICATE_PATH": pem,
             "AZURE_FEDERATED_TOKEN_FILE": file}
    # The first that is there is taken.
    for name in list(names):
        shown = made.check(**environment(lab, **names, **managed))
        assert f"azure, {name}, tenant {TENANT}, pull only\n" in shown.out
        del names[name]
    shown = made.check(**managed)
    assert f"azure, managed identity at {managed['AZURE_POD_IDENTITY_AUTHORITY_HOST']}, pull only\n" in shown.out


def test_a_secret_in_the_environment(job, lab):
    job(auth="environment").pulls(**environment(lab, AZURE_CLIENT_SECRET=lab.credentials.azure_pull.password))


def test_a_certificate_in_the_environment(job, lab):
    made = job(auth="environment")
    pem = lab.azure_certificate(lab.credentials.azure_pull.user)
    made.pulls(**environment(lab, AZURE_CLIENT_CERTIFICATE_PATH=made.file("cert.pem", pem)))


def test_a_token_file_of_kubernetes(job, lab):
    made = job(auth="environment")
    token = lab.oidc_token("api://AzureADTokenExchange", "cluster")
    made.pulls(**environment(lab, AZURE_FEDERATED_TOKEN_FILE=made.file("token", token)))


@pytest.mark.parametrize("app_service", [False, True])
def test_a_managed_identity(job, lab, app_service):
    job(auth="environment").pulls(**lab.managed_identity_env(app_service))
    asked = lab.requests(lab.managed_identity.name)
    assert not any(r["status"] == 200 and "client_id" in r["path"] for r in asked)
    # A machine's neighbour is never asked through the proxy.
    assert not lab.connects("127.0.0.1")


def test_a_user_assigned_identity_is_named(job, lab):
    made = job(auth="environment", azure_client_id=lab.credentials.azure_managed)
    made.check(**lab.managed_identity_env())
    assert f"client_id={lab.credentials.azure_managed}" in lab.requests(lab.managed_identity.name)[-1]["path"]
    other = job(auth="environment", azure_client_id="11111111-2222-3333-4444-555555555555")
    assert other.problem(**lab.managed_identity_env()) == (
        f"{ACR}: managed identity at http://{lab.managed_identity.name}: the managed identity service gives no token "
        "(status 400): Identity not found (is the identity with that client id assigned to this machine?)")


# Other registries and clouds.


def test_registries_of_one_tenant_share_the_token_of_entra_id(job, lab):
    made = job(hosts=[ACR, LABEL], azure_principal_secret_name="azprincipal", azure_tenant=TENANT)
    made.secret("azprincipal", str(lab.credentials.azure_pull)).check()
    assert entra_requests(lab) == [(f"/{TENANT}/oauth2/v2.0/token", 200)]
    for host in (ACR, LABEL):
        assert [r["status"] for r in lab.requests(host) if r["path"] == "/oauth2/exchange"] == [200]


@pytest.mark.parametrize(("host", "login", "audience"), [
    (US, "login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    (CN, "login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
    (LABEL, ENTRA, "api://AzureADTokenExchange"),
])
def test_each_cloud_has_its_own_login_and_audiences(job, lab, host, login, audience):
    made = job(hosts=[host], auth="oidc", azure_tenant=TENANT, azure_client_id=lab.credentials.azure_pull.user,
               oidc_token_env="CI_JOB_JWT")
    made.pulls(CI_JOB_JWT=lab.oidc_token(audience))
    assert entra_requests(lab, login) and not [r for r in lab.requests() if r["host"].startswith("login.") and r["host"] != login]
    lab.clear_log()
    wrong = "api://AzureADTokenExchange" if host != LABEL else "api://AzureADTokenExchangeChina"
    assert "does not trust the OIDC token's audience (AADSTS700212)" in made.problem(CI_JOB_JWT=lab.oidc_token(wrong))


def test_another_login_service(principal, lab):
    # As azure-identity has it, a bare host too; here one that knows no such resource.
    assert principal.problem(AZURE_AUTHORITY_HOST="login.microsoftonline.us") == (
        f"{ACR}: secret azprincipal, tenant {TENANT}: the tenant does not know the registry service that the token is "
        "asked for (AADSTS500011) (is the tenant of the registry's cloud? look at `url` and at AZURE_AUTHORITY_HOST)")
    lab.clear_log()
    for bad in ("http://login.example.com", "https://login.example.com/x", "https://a@login.example.com", "ftp://x"):
        assert principal.problem(2, AZURE_AUTHORITY_HOST=bad) == (
            "AZURE_AUTHORITY_HOST: must be an https URL (http only on loopback) with nothing behind the host "
            "(write https://HOST)")
    assert lab.requests() == []


@pytest.mark.parametrize("host", [
    "acme.azurecr.io.evil.example", "acme-azurecr.io", "evilazurecr.io", "acme.azurecr.io.evil.azurecr.example",
    "acme.azurecr.de", "acme.azurecr.iox", "acme.azurecr.io:8443", "xazurecr.us",
])
def test_what_only_looks_like_azure_gets_no_token(job, lab, host):
    made = job(hosts=[host], azure_principal_secret_name="azprincipal", azure_tenant=TENANT)
    problem = made.problem(2)
    assert "`url` is not the host of a registry of Azure (write NAME.azurecr.io (or .us, .cn)" in problem
    assert lab.requests() == [] and lab.connects() == []


def test_the_host_of_layers_is_not_the_registry(job):
    made = job(hosts=["acme.westeurope.data.azurecr.io"], azure_principal_secret_name="a")
    assert made.problem(2).endswith(
        "`url` is where a registry keeps its layers, not the registry (write `url: acme.azurecr.io`)")


# What Entra ID refuses.


SOURCE = f"{ACR}: secret azprincipal, tenant {TENANT}: "


def test_an_expired_secret(principal, lab):
    user = lab.credentials.azure_pull.user
    lab.set_azure_application(user, secret_expired=True)
    assert principal.problem() == (
        f"{SOURCE}the client secret has expired (AADSTS7000222) (make a new one with `az ad sp credential reset --id {user}`, "
        "then `pratique secrets update azprincipal=-`)")


def test_a_wrong_secret(principal, lab, secret):
    user = lab.credentials.azure_pull.user
    secret("a wrong secret", "wrong8Q~secretsecret")
    principal.secret("azprincipal", f"{user}:wrong8Q~secretsecret")
    assert principal.problem() == (
        f"{SOURCE}the client secret is wrong (AADSTS7000215) (its value is wanted, not its ID: copy it anew, or make a new "
        f"one with `az ad sp credential reset --id {user}`, then `pratique secrets update azprincipal=-`)")


def test_an_unknown_application(principal):
    principal.secret("azprincipal", "11111111-2222-3333-4444-555555555555:secretsecretsecret")
    assert principal.problem() == (
        f"{SOURCE}the tenant has no application with this client id (AADSTS700016) (look at the client id and the tenant: "
        "`az ad sp show --id 11111111-2222-3333-4444-555555555555`, `az account show --query tenantId`)")


@pytest.mark.parametrize(("change", "words"), [
    ("enabled", "the application is disabled (AADSTS7000112) (enable it"),
    ("service_principal", "the application has no service principal in this tenant (AADSTS7000229) (`az ad sp create --id "),
])
def test_an_application_that_cannot(principal, lab, change, words):
    lab.set_azure_application(lab.credentials.azure_pull.user, **{change: False})
    assert principal.problem().startswith(SOURCE + words)


def test_an_unknown_tenant(job, lab):
    made = job(azure_principal_secret_name="azprincipal", azure_tenant="nosuch.example").secret(
        "azprincipal", str(lab.credentials.azure_pull))
    assert made.problem() == (
        f"{ACR}: secret azprincipal, tenant nosuch.example: there is no such tenant in this cloud (AADSTS90002) (look at "
        "the tenant: `az account show --query tenantId` in the right cloud)")


def test_a_certificate_that_the_application_does_not_know(job, lab):
    user = lab.credentials.azure_pull.user
    assert certified(job, lab, register=False).problem() == (
        f"{ACR}: secret azcert, tenant {TENANT}: the certificate is not one of the application's, or the signature is wrong "
        f"(AADSTS700027) (add it with `az ad app credential reset --id {user} --cert @cert.pem --append`, or set the right "
        "one: `pratique secrets update azcert=-`)")


def test_a_clock_that_is_off(job, lab):
    lab.set_clock_offset(3600)
    made = certified(job, lab)
    shown = made.check()
    assert re.search(rf"^pratique: {ACR}: warning: this machine's clock is (60|59) minutes slow \(set this machine's clock; the "
                     r"request is made again with Entra ID's time\)$", shown.err, re.MULTILINE)
    assert [status for _, status in entra_requests(lab)] == [401, 200]


@pytest.mark.parametrize(("how", "words"), [
    ({"subject": "repo:acme/containers:pull_request"},
     "the application does not trust the OIDC token's subject (AADSTS700213) (add a federated credential to the application "
     f"with just these: issuer {GITHUB_ISSUER}, subject repo:acme/containers:pull_request, audience "
     "api://AzureADTokenExchange)"),
    ({"audience": "sts.amazonaws.com"},
     "the application does not trust the OIDC token's audience (AADSTS700212) (add a federated credential to the application "
     f"with just these: issuer {GITHUB_ISSUER}, subject {SUBJECTS[GITHUB_ISSUER]}, audience sts.amazonaws.com)"),
    ({"iss": "https://token.evil.example"},
     "the application does not trust the OIDC token's issuer (AADSTS700211) (add a federated credential to the application "
     f"with just these: issuer https://token.evil.example, subject {SUBJECTS[GITHUB_ISSUER]}, audience "
     "api://AzureADTokenExchange)"),
    ({"nbf": 4102444800},
     "the assertion's time is over, or yet to come (AADSTS700024) (OIDC tokens live for minutes: have a fresh one made; or "
     "is a clock wrong?)"),
])
def test_an_oidc_token_that_is_not_trusted(job, lab, how, words):
    made = job(auth="oidc", azure_tenant=TENANT, azure_client_id=lab.credentials.azure_pull.user, oidc_token_env="T")
    token = lab.oidc_token(**{"audience": "api://AzureADTokenExchange", **how})
    assert made.problem(T=token) == f"{ACR}: oidc_token_env T, tenant {TENANT}: {words}"


def test_an_oidc_token_with_another_key(job, lab):
    made = job(auth="oidc", azure_tenant=TENANT, azure_client_id=lab.credentials.azure_pull.user, oidc_token_env="T")
    token = lab.issuers["github"].mint("api://AzureADTokenExchange", key=rsa.generate_private_key(65537, 2048))
    assert "the signature of the assertion cannot be proved (AADSTS50013) (" in made.problem(T=token)


def test_an_oidc_token_that_has_ended_is_not_sent(job, lab):
    made = job(auth="oidc", azure_tenant=TENANT, azure_client_id=lab.credentials.azure_pull.user, oidc_token_env="T")
    assert "auth: oidc: the OIDC token of oidc_token_env T ended at 20" in made.problem(
        T=lab.oidc_token("api://AzureADTokenExchange", lifetime=-10))
    assert entra_requests(lab) == []


def test_the_permission_is_missing(oidc, lab):
    oidc.env |= dict.fromkeys(lab.github_env()) | lab.github_env(permission=False)
    problem = oidc.problem(2)
    assert problem.startswith("factory-config.yml:2: auth: oidc: this job may not ask GitHub for an OIDC token (add `permissions:")
    assert lab.requests() == []


def test_entra_id_is_busy(principal, lab):
    lab.throttle(ENTRA, count=9, retry_after=0)
    assert principal.problem(3).startswith(f"{SOURCE}Entra ID says that there are too many requests (AADSTS90033)")
    lab.clear_faults()
    lab.unavailable(ENTRA, count=9, status=500)
    assert principal.problem(3).startswith(f"{SOURCE}Entra ID has a problem of its own (AADSTS90033)")
    lab.clear_faults()
    lab.unavailable(ENTRA, count=1)
    principal.check()


def test_a_web_page_in_place_of_entra_id(principal, lab):
    lab.html(ENTRA)
    assert principal.problem() == (
        f"{SOURCE}the answer of Entra ID is not JSON (is there a proxy or another service in between?)")


# What the registry refuses.


HINT = f"(is {TENANT} the tenant of the registry's subscription, and has the identity the role AcrPull on acme?)"


@pytest.mark.parametrize(("tokens", "words"), [
    ({"claims": {"aud": "https://graph.microsoft.com"}}, "authentication required: Invalid audience"),
    ({"claims": {"tid": OTHER_TENANT}}, f"authentication required: a token of tenant {OTHER_TENANT}"),
    ({"claims": {"exp": 1700000000}}, "authentication required: the token has expired"),
    ({"forge": True}, "authentication required: Signature verification failed"),
])
def test_tokens_that_the_registry_refuses(principal, lab, tokens, words):
    lab.set_entra_tokens(**tokens)
    assert principal.problem() == (
        f"{SOURCE}the registry does not take the token of Entra ID: {words} (UNAUTHORIZED) {HINT}")


def test_the_registry_of_another_tenant(principal, lab):
    lab.set_azure_registry(tenant=OTHER_TENANT)
    assert principal.problem().startswith(f"{SOURCE}the registry does not take the token of Entra ID: ")


def test_a_registry_that_takes_no_tokens_of_arm(principal, lab):
    lab.set_azure_registry(arm_tokens=False)
    principal.check()


def test_an_identity_without_a_role(job, lab):
    # A machine whose identity the registry does not know.
    lab.set_azure_role(lab.credentials.azure_managed, False)
    assert job(auth="environment").problem(**lab.managed_identity_env()).endswith(
        "(is the identity's tenant the tenant of the registry's subscription, and has the identity the role AcrPull on acme?)")


def test_the_registry_is_busy(principal, lab):
    lab.unavailable(ACR, count=9, path="/oauth2/exchange")
    assert principal.problem(3) == f"{SOURCE}the registry failed (status 503): service unavailable (UNAVAILABLE) (try again later)"


def test_a_refresh_token_that_ends_is_fetched_anew(principal, lab):
    # Life is read from the token: one that is over at once is never believed to last for hours.
    lab.set_azure_registry(refresh_lifetime=-60)
    result = principal.check(1)
    assert "the registry refuses the token that it gave to secret azprincipal" in result.err
    asked = [(r["path"], r["status"]) for r in lab.requests(ACR) if r["path"].startswith("/oauth2/")]
    assert asked[:4] == [("/oauth2/exchange", 200), ("/oauth2/token", 401)] * 2
    # Entra's own token was good all the time.
    assert len(entra_requests(lab)) == 1


def test_no_token_goes_to_a_stranger(principal, lab):
    """The registry's realm is another one's: the refresh token stays here."""
    def answer(handler):
        if handler.path == "/oauth2/exchange":
            token = jwt.encode({"exp": time.time() + 3600, "iat": time.time()}, "x" * 32)
            handler.say(200, json.dumps({"refresh_token": token}).encode())
        else:
            handler.say(401, WWW_Authenticate=f'Bearer realm="https://{LABEL}/oauth2/token",service="{ACR}"')
    port = lab.ports[ACR]
    server = HostileServer(lab, ACR, answer)
    try:
        assert "a stranger's host" in principal.check(1).err
    finally:
        server.end()
        lab.ports[ACR] = port
    assert lab.requests(LABEL) == []


# Managed identities that are not there.


def test_nobody_answers_at_the_address_of_managed_identities(job):
    begun = time.monotonic()
    # An address for documentation (RFC 5737) swallows everything, as 169.254.169.254 does elsewhere than in Azure.
    problem = job(auth="environment").problem(3, AZURE_POD_IDENTITY_AUTHORITY_HOST="https://192.0.2.1")
    assert "no managed identity service answers: " in problem
    assert problem.endswith("AZURE_FEDERATED_TOKEN_FILE where there is no managed identity)")
    assert time.monotonic() - begun < 3


def test_a_metadata_service_that_hangs(job, lab):
    lab.stall(lab.managed_identity.name, seconds=20, count=9)
    begun = time.monotonic()
    problem = job(auth="environment").problem(3, **lab.managed_identity_env())
    assert "no managed identity service answers: " in problem
    assert time.monotonic() - begun < 3


def test_no_identity_is_assigned(job, lab):
    lab.set_managed_identity(False)
    assert job(auth="environment").problem(**lab.managed_identity_env()) == (
        f"{ACR}: managed identity at http://{lab.managed_identity.name}: the managed identity service gives no token "
        "(status 400): Identity not found (assign an identity to this machine, or name a user-assigned one with "
        "azure_client_id)")


@pytest.mark.parametrize("env", [
    {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://metadata.example.com"},
    {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://169.254.169.254.example.com"},
    {"IDENTITY_ENDPOINT": "http://10.0.0.1/msi", "IDENTITY_HEADER": "x"},
])
def test_the_metadata_service_is_near(job, lab, env):
    assert "is no address to get an identity from (write an https URL, or http on loopback or 169.254.x.x)" in job(
        auth="environment").problem(2, **env)
    assert lab.connects() == []


# Offline.


def offline(job, status=2, **env):
    result = job.factory.run("config", "check", env={**job.env, **env}, status=status)
    assert job.lab.requests() == [] and job.lab.connects() == []
    return result.err


@pytest.mark.parametrize(("how", "words"), [
    ({"days": -1, "begins": -9}, r"secret azcert: the certificate ended at 20\S+Z \(make a new one, add it to the application "),
    ({"days": 9, "begins": 2}, r"secret azcert: the certificate begins only at 20\S+Z \(is this machine's clock right\?\)"),
])
def test_certificates_out_of_their_time(job, lab, how, words):
    assert re.search(words, offline(certified(job, lab, **how)))


def test_a_certificate_that_ends_soon_is_a_warning(job, lab):
    made = certified(job, lab, days=12)
    ends = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=12)).strftime("%Y-%m-%d")
    for shown in (offline(made, 0), made.check().err):
        assert f"pratique: secret azcert: warning: the certificate ends at {ends}" in shown


def test_certificates_that_cannot_be_used(job, lab):
    user = lab.credentials.azure_pull.user
    one, two = (lab.azure_certificate(user) for _ in range(2))
    begin = "-----BEGIN CERTIFICATE-----"
    made = certified(job, lab, key=ec.generate_private_key(ec.SECP256R1()))
    assert "secret azcert: Entra ID takes no certificates with keys of this kind (make a certificate with an RSA key)" in offline(made)
    for content, words in (
        (one.split(begin)[0] + begin + two.split(begin)[1],
         "the certificate and the private key do not belong together (put the certificate first that belongs to the key)"),
        (one.split(begin)[0], "holds no certificate in PEM form"),
        (begin + one.split(begin)[1], "holds no private key in PEM form"),
        ("id:password", "holds no private key in PEM form"),
    ):
        made.secret("azcert", content)
        assert f"secret azcert: {words}" in offline(made)


def test_what_config_check_finds(job, lab):
    made = job(azure_principal_secret_name="p", azure_tenant=TENANT, azure_client_id="11111111-2222-3333-4444-555555555555")
    made.secret("p", str(lab.credentials.azure_pull))
    assert "factory-config.yml:2: azure_client_id is not the id in secret p (remove azure_client_id: the secret says it)" in offline(made)
    made = job(azure_principal_secret_name="p", azure_client_id="11111111-2222-3333-4444-555555555555")
    made.secret("p", str(lab.credentials.azure_pull))
    assert "azure_client_id has a meaning only with azure_tenant, `auth: oidc` or `auth: environment`" in offline(made)
    made = job(auth="environment")
    assert "auth: environment: AZURE_CLIENT_SECRET is set, but not AZURE_TENANT_ID" in offline(made, AZURE_CLIENT_SECRET="secretsecret")
    assert "auth: environment: AZURE_CLIENT_SECRET is set, but not AZURE_CLIENT_ID" in offline(
        made, AZURE_CLIENT_SECRET="secretsecret", AZURE_TENANT_ID=TENANT)
    assert "AZURE_FEDERATED_TOKEN_FILE: there is no file /nonexistent" in offline(
        made, **environment(lab, AZURE_FEDERATED_TOKEN_FILE="/nonexistent"))
    assert "AZURE_CLIENT_CERTIFICATE_PATH" in offline(made, **environment(lab, AZURE_CLIENT_CERTIFICATE_PATH="/nonexistent"))
    assert "keys with a password are not supported" in offline(made, **environment(
        lab, AZURE_CLIENT_CERTIFICATE_PATH="/nonexistent", AZURE_CLIENT_CERTIFICATE_PASSWORD="x"))
    offline(made, 0)


def test_a_bound_secret_goes_nowhere_else(job, lab):
    made = job(azure_principal_secret_name="p", azure_tenant=TENANT)
    pair = str(lab.credentials.azure_pull)
    made.factory.run("secrets", "update", "--for", ACR, "p=-", input=pair)
    assert f"the secret p is bound to {ACR} and is not sent to {ENTRA}" in made.problem(2)
    assert lab.requests(ENTRA) == []
    made.factory.run("secrets", "update", "--for", ACR, "--for", ENTRA, "p=-", input=pair)
    made.check()
    assert f"is bound to {ACR}, {ENTRA} and is not sent to login.example.com" in made.problem(
        2, AZURE_AUTHORITY_HOST="https://login.example.com")
