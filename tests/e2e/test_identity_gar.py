"""Google: each identity ends in a private pull, from a registry that looks at whose the token is, its scope and its end;
and what a person sees when it does not."""

import json
import os
import shutil

import pytest

from lab.google import MTLS_HOST, TOKEN_URI, account, provider
from lab.oidc import GITHUB_ISSUER

from .factory import Factory

HOST = "us-docker.pkg.dev"
IMAGE = f"{HOST}/acme-prod/images/worker:2"
WEB = f"{HOST}/acme-prod/images/web:1.4"
APP = f"services:\n  worker: {{image: '{IMAGE}'}}\n  web: {{image: '{WEB}'}}\n"
SECRET = "- {type: gar, gar_creds_secret_name: gcp_creds}\n"
ENVIRONMENT = "- {type: gar, auth: environment}\n"
OIDC = f"- {{type: gar, auth: oidc, workload_identity_provider: {provider('github')}}}\n"
STS, IAM, OAUTH = "sts.googleapis.com", "iamcredentials.googleapis.com", "oauth2.googleapis.com"


class Google:
    """A factory whose images lie in Artifact Registry."""

    def __init__(self, session, lab):
        self.session, self.lab = session, lab
        self.factory = None

    def entry(self, text):
        self.factory = Factory(self.session, self.lab, config="container_registries:\n" + text)
        self.factory.write({"app/docker-compose.yml": APP})
        return self

    def secret(self, document):
        self.factory.give_secret("gcp_creds", document if isinstance(document, str) else json.dumps(document))
        return self

    def file(self, document, name="gcp.json"):
        path = self.factory.place.home / "given-secrets" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    def check(self, status=0, **env):
        return self.factory.run("check", "containers", status=status, env=env)

    def pull(self, **env):
        """`check` is content, layers included; then another program pulls with what pratique hands out."""
        result = self.check(**env)
        assert f"ok          {IMAGE}" in result.out and f"ok          {WEB}" in result.out
        place = self.factory.place
        place.run("login", "--into", "clients", HOST, env=env)
        path = f"{place.programs}:{place.env['PATH']}"
        pulled = place.work / "pulled"
        shutil.rmtree(pulled, ignore_errors=True)
        place.program("skopeo", "copy", "-q", f"docker://{IMAGE}", f"dir:{pulled}",
                      env={"DOCKER_CONFIG": str(place.work / "clients"), "PATH": path, **env})
        assert (pulled / "manifest.json").is_file()
        return result

    def refused(self, words, status=1, **env):
        result = self.check(status=status, **env)
        assert words in result.err, result.text()
        return result


@pytest.fixture
def google(session, lab):
    yield Google(session, lab)
    for value in lab.google.secret_values():
        session.patterns.add_secret("token of the lab's Google", value)


# Identities.


def test_a_service_accounts_key(google, lab):
    before = set(lab.google.tokens)
    result = google.entry(SECRET).secret(lab.google_key()).pull()
    assert f"ok          {HOST}  gar, secret gcp_creds, service account {account('ci-pull')}, pull only\n" in result.out
    # One token for the check and the helper; it asks for no more than reading.
    assert [r["path"] for r in lab.requests(OAUTH)] == ["/token"]
    assert {s for name, t in lab.google.tokens.items() if name not in before for s in t.scopes} == {
        "https://www.googleapis.com/auth/cloud-platform.read-only"}


def test_a_key_that_may_push_is_held_to_reading(google, lab):
    # The account may write; the token that was asked for may not.
    result = google.entry(SECRET).secret(lab.google_key("ci-push")).pull()
    assert "pull only" in result.out and "warning" not in result.err


def test_an_image_is_built_from_a_private_one(session, lab):
    config = "container_registries:\n" + SECRET + (
        f"hub: {{url: {lab.hosts['hub']}/FACTORY, hub_secret_name: hub_creds}}\nlmp: {{machines: [intel-corei7-64]}}\n")
    factory = Factory(session, lab, config=config)
    factory.place.write({"factory-config.yml": config.replace("FACTORY", factory.name)})
    factory.give_secrets().give_secret("gcp_creds", json.dumps(lab.google_key()))
    factory.write({"app/Dockerfile": f"FROM {IMAGE}\nCOPY Dockerfile /\n",
                   "app/docker-compose.yml": f"services:\n  app: {{image: '{factory.hub}/app'}}\n  web: {{image: '{WEB}'}}\n"})
    factory.init().build()
    factory.verify()
    assert "intel-corei7-64-lmp-1" in factory.targets()


def test_a_url_of_ones_own_beats_the_pattern(google, lab):
    google.entry(f"- {{type: gar, url: {HOST}, gar_creds_secret_name: gcp_creds}}\n").secret(lab.google_key()).pull()


def test_a_service_account_on_top_of_a_key(google, lab):
    entry = SECRET.replace("}", f", service_account: {account('deployer')}}}")
    result = google.entry(entry).secret(lab.google_key("ci-none")).pull()
    assert f"service account {account('deployer')}" in result.out
    google.secret(lab.google_key("ci-push")).refused(
        f"this identity may not act as {account('deployer')} (PERMISSION_DENIED): Permission "
        "'iam.serviceAccounts.getAccessToken' denied")
    assert "roles/iam.serviceAccountTokenCreator" in google.check(status=1).err


def impersonated(base, delegates=(), target="deployer"):
    return {"type": "impersonated_service_account", "delegates": list(delegates), "source_credentials": base,
            "service_account_impersonation_url":
            f"https://{IAM}/v1/projects/-/serviceAccounts/{account(target)}:generateAccessToken"}


def test_impersonation_in_a_file_and_in_a_chain(google, lab):
    google.entry(SECRET).secret(impersonated(lab.google_key("ci-none"))).pull()
    relay = f"projects/-/serviceAccounts/{account('relay')}"
    google.secret(impersonated(lab.google_key("ci-none"), [relay])).pull()
    google.secret(impersonated(impersonated(lab.google_key("ci-none"), target="relay"))).pull()


# Federation.


def external(source, name="cluster", **more):
    return {"type": "external_account", "audience": f"//iam.googleapis.com/{provider(name)}",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": f"https://{STS}/v1/token",
            "credential_source": source, **more}


def audience(name):
    return f"https://iam.googleapis.com/{provider(name)}"


def test_the_cis_own_token(google, lab):
    result = google.entry(OIDC).pull(**lab.github_env())
    assert "GitHub's token service, workload identity pool ci/providers/github" in result.out
    assert lab.issuers["github"].url == GITHUB_ISSUER
    # Whatever form the provider is written in.
    google.entry(OIDC.replace("projects/", "//iam.googleapis.com/projects/")).pull(**lab.github_env())


def test_the_cis_own_token_to_a_service_account(google, lab):
    google.entry(OIDC.replace("}", f", service_account: {account('deployer')}}}")).pull(**lab.github_env())
    google.entry(OIDC.replace("}", f", service_account: {account('ci-pull')}}}"))
    google.refused(f"may not act as {account('ci-pull')}", **lab.github_env())
    assert "roles/iam.workloadIdentityUser" in google.check(status=1, **lab.github_env()).err


def test_gitlabs_token_in_a_variable_and_a_clusters_in_a_file(google, lab, secret):
    gitlab = f"- {{type: gar, auth: oidc, workload_identity_provider: {provider('gitlab')}, oidc_token_env: ID_TOKEN}}\n"
    google.entry(gitlab).pull(ID_TOKEN=lab.oidc_token(audience("gitlab"), "gitlab"))
    google.entry(gitlab)
    path = google.file(lab.oidc_token(audience("cluster"), "cluster") + "\n", "token")
    google.entry(f"- {{type: gar, auth: oidc, workload_identity_provider: {provider('cluster')}, oidc_token_file: {path}}}\n")
    google.pull()


def test_an_external_account_with_a_file(google, lab):
    google.entry(SECRET)
    token = google.file(lab.oidc_token(audience("cluster"), "cluster"), "token")
    google.secret(external({"file": token})).pull()
    wrapped = google.file({"access": lab.oidc_token(audience("cluster"), "cluster")}, "token.json")
    google.secret(external({"file": wrapped, "format": {"type": "json", "subject_token_field_name": "access"}})).pull()


def test_an_external_account_with_an_address(google, lab):
    source = {"url": lab.github_env()["ACTIONS_ID_TOKEN_REQUEST_URL"] + "&audience=" + audience("github"),
              "headers": {"Authorization": f"Bearer {lab.credentials.github_request_token}"},
              "format": {"type": "json", "subject_token_field_name": "value"}}
    google.entry(ENVIRONMENT)
    # What google-github-actions/auth leaves for the steps after it.
    google.pull(GOOGLE_APPLICATION_CREDENTIALS=google.file(external(source, "github")))
    url = f"https://{IAM}/v1/projects/-/serviceAccounts/{account('deployer')}:generateAccessToken"
    google.pull(GOOGLE_APPLICATION_CREDENTIALS=google.file(
        external(source, "github", service_account_impersonation_url=url)))


def executable(google, token, **more):
    answer = {"version": 1, "success": True, "token_type": "urn:ietf:params:oauth:token-type:id_token", "id_token": token,
              "expiration_time": 4102444800, **more}
    program = google.file(
        "#!/bin/sh\n[ \"$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE\" ] && [ \"$1 $2\" = '--for ci' ] || exit 3\n"
        f"cat <<'E'\n{json.dumps(answer)}\nE\n", "program")
    os.chmod(program, 0o700)
    return program


def test_an_external_account_with_a_program(google, lab):
    google.entry(ENVIRONMENT)
    program = executable(google, lab.oidc_token(audience("cluster"), "cluster"))
    path = google.file(external({"executable": {"command": f"{program} --for ci", "timeout_millis": 5000}}))
    google.refused("it wants to run a program (if you trust it, set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1)",
                   status=2, GOOGLE_APPLICATION_CREDENTIALS=path)
    allowed = {"GOOGLE_APPLICATION_CREDENTIALS": path, "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    google.pull(**allowed)
    os.chmod(path, 0o666)
    google.refused("it wants to run a program: can be written by other users (mode 0666)", status=2, **allowed)
    os.chmod(path, 0o600)
    os.chmod(os.path.dirname(path), 0o777)
    google.refused("it wants to run a program: can be written by other users (mode 0777)", status=2, **allowed)
    os.chmod(os.path.dirname(path), 0o700)
    google.entry(ENVIRONMENT)
    program = executable(google, "", success=False, message="the vault is sealed")
    allowed["GOOGLE_APPLICATION_CREDENTIALS"] = google.file(external({"executable": {"command": f"{program} --for ci"}}))
    google.refused("the program gives no token: the vault is sealed", **allowed)


def certificate(google, lab, subject="gateway-7", days=30):
    leaf, key = lab.devices.leaf(subject, days)
    files = {"cert_path": google.file(leaf.decode(), "leaf.pem"), "key_path": google.file(key.decode(), "leaf.key")}
    config = google.file({"cert_configs": {"workload": files}}, "certificate_config.json")
    return external({"certificate": {"certificate_config_location": config}}, "x509", token_url=f"https://{MTLS_HOST}/v1/token",
                    subject_token_type="urn:ietf:params:oauth:token-type:mtls")


def test_a_certificate(google, lab):
    document = certificate(google.entry(SECRET), lab)
    google.secret(document).pull()
    # With the chain beside it, which may begin with the certificate itself.
    for chain in (lab.devices.pem(), lab.devices.leaf("gateway-7")[0] + lab.devices.pem()):
        document["credential_source"]["certificate"]["trust_chain_path"] = google.file(chain.decode(), "chain.pem")
        google.secret(document).pull()


def test_a_certificate_that_ends_soon_is_a_warning(google, lab):
    document = certificate(google.entry(SECRET), lab, days=3)
    result = google.secret(document).check()
    assert "leaf.pem: warning: the certificate ends at 20" in result.err


def test_certificates_that_will_not_do(google, lab):
    document = certificate(google.entry(SECRET), lab, subject="stranger")
    google.secret(document).refused("denied", status=1)
    google.secret(certificate(google, lab, days=-1)).refused("leaf.pem: the certificate ended at 20", status=1)
    google.secret(certificate(google, lab))
    other = lab.devices.leaf("gateway-7")[1]
    google.file(other.decode(), "leaf.key")
    google.refused("is not the key of the certificate", status=2)


# The environment.


def test_the_environments_order(google, lab):
    google.entry(ENVIRONMENT)
    key = google.file(lab.google_key())
    gcloud = google.factory.place.home / ".config/gcloud"
    result = google.pull(GOOGLE_APPLICATION_CREDENTIALS=key, **lab.metadata_env())
    assert f"{key}, service account {account('ci-pull')}" in result.out
    gcloud.mkdir(parents=True)
    google.file(lab.google_login(), "login.json")
    (gcloud / "application_default_credentials.json").symlink_to(google.factory.place.home / "given-secrets/login.json")
    assert "application_default_credentials.json, a person's login" in google.pull(**lab.metadata_env()).out
    (gcloud / "application_default_credentials.json").unlink()
    result = google.pull(**lab.metadata_env())
    assert f"metadata server, service account {account('ci-pull')}, pull only" in result.out


def test_the_metadata_server_is_no_proxys_business(google, lab):
    google.entry(ENVIRONMENT).pull(http_proxy="http://127.0.0.1:1", **lab.metadata_env())
    assert lab.google_metadata.name not in {c["host"] for c in lab.connects()}


def test_a_machine_that_is_nobody(google, lab):
    google.entry(ENVIRONMENT)
    lab.set_google_metadata(None)
    google.refused("us-docker.pkg.dev: metadata server: this machine runs as no service account", **lab.metadata_env())
    lab.set_google_metadata(flavor=False)
    google.refused("is no metadata server of Google", **lab.metadata_env())
    google.refused("nobody answers at http://127.0.0.1:1", GCE_METADATA_HOST="127.0.0.1:1")


def test_a_metadata_server_that_hangs_costs_a_second(google, lab):
    google.entry(ENVIRONMENT)
    lab.stall(lab.google_metadata.name, seconds=20)
    result = google.factory.run("check", "containers", status=1, env=lab.metadata_env(), timeout=6)
    assert "nobody answers at http://127.0.0.1:" in result.err


# What Google says no to.


def test_a_deleted_key(google, lab):
    google.entry(SECRET).secret(lab.google_key())
    lab.delete_google_keys("ci-pull")
    result = google.refused(
        f"us-docker.pkg.dev: secret gcp_creds, service account {account('ci-pull')}: Google does not know this key of "
        f"{account('ci-pull')}: it was deleted or disabled (invalid_grant): Invalid JWT Signature.")
    assert f"gcloud iam service-accounts keys list --iam-account {account('ci-pull')}" in result.err


def test_a_deleted_account(google, lab):
    google.entry(SECRET).secret(lab.google_key())
    lab.delete_google_account("ci-pull")
    google.refused(f"Google does not know the service account {account('ci-pull')} (invalid_grant)")


@pytest.mark.parametrize("offset", [-7200, 7200])
def test_a_clock_that_is_off(google, lab, offset):
    google.entry(SECRET).secret(lab.google_key())
    lab.set_clock_offset(offset)
    result = google.check()
    assert ("this machine's clock is 2 hours fast" if offset < 0 else "this machine's clock is 2 hours slow") in result.err


def test_another_key_than_the_id_says(google, lab):
    key, other = lab.google_key(), lab.google_key()
    google.entry(SECRET).secret({**key, "private_key": other["private_key"]}).refused("Invalid JWT Signature")


def test_tokens_that_a_provider_refuses(google, lab):
    entry = f"- {{type: gar, auth: oidc, workload_identity_provider: {provider('gitlab')}, oidc_token_env: ID_TOKEN}}\n"
    google.entry(entry)
    good = audience("gitlab")
    result = google.refused("the token is for another audience (invalid_grant): The audience in ID Token [sts.amazonaws.com]",
                            ID_TOKEN=lab.oidc_token("sts.amazonaws.com", "gitlab"))
    assert f"the provider expects {good}" in result.err
    google.refused("Error verifying the signature", ID_TOKEN=lab.oidc_token(good, "gitlab", key=lab.issuers["github"]._key))
    google.refused("the token is of another issuer", ID_TOKEN=lab.oidc_token(good, "gitlab", iss="https://elsewhere.example"))
    google.refused("the OIDC token of oidc_token_env ID_TOKEN ended at", ID_TOKEN=lab.oidc_token(good, "gitlab", lifetime=-60))
    google.refused("the token has ended (invalid_grant): ID Token is stale",
                   ID_TOKEN=late(lab, good))
    lab.set_clock_offset(0)
    lab.set_google_provider("gitlab", subject="project_path:acme/other")
    google.refused("the provider's condition does not let this identity in (unauthorized_client)",
                   ID_TOKEN=lab.oidc_token(good, "gitlab"))
    lab.set_google_provider("gitlab", disabled=True)
    google.refused("Google knows no such workload identity provider, or it is disabled (invalid_target)",
                   ID_TOKEN=lab.oidc_token(good, "gitlab"))


def late(lab, wanted):
    """Good by this machine's clock, and ended by Google's, which is ten minutes ahead."""
    lab.set_clock_offset(0)
    token = lab.oidc_token(wanted, "gitlab")
    lab.set_clock_offset(600)
    return token


def test_a_job_without_the_permission(google, lab):
    google.entry(OIDC)
    google.refused("this job may not ask GitHub for an OIDC token (add `permissions: {id-token: write", status=2,
                   **lab.github_env(permission=False))
    lab.set_github_permission(False)
    google.refused("hands out no OIDC token: status 403", **lab.github_env())


def test_an_identity_without_rights(google, lab):
    result = google.entry(SECRET).secret(lab.google_key("ci-none")).check(status=1)
    assert f"denied      {IMAGE}" in result.out and "downloadArtifacts" in result.err


def test_a_machine_whose_scopes_do_not_reach(google, lab):
    google.entry(ENVIRONMENT)
    lab.google_metadata.scopes = {"https://www.googleapis.com/auth/iam"}
    try:
        assert f"denied      {IMAGE}" in google.check(status=1, **lab.metadata_env()).out
    finally:
        lab.google_metadata.scopes = {"https://www.googleapis.com/auth/devstorage.read_only"}


def test_a_token_serves_more_than_one_run(google, lab):
    google.entry(SECRET).secret(lab.google_key())
    google.check()
    google.check()
    assert len(lab.requests(OAUTH)) == 1
    google.factory.run("check", "containers", env={"PRATIQUE_RUNTIME_DIR": "/proc"})
    assert len(lab.requests(OAUTH)) == 2


def test_a_kept_token_that_was_revoked_is_fetched_anew_once(google, lab):
    google.entry(SECRET).secret(lab.google_key()).check()
    lab.expire_google_tokens()
    lab.clear_log()
    google.pull()
    assert [r["path"] for r in lab.requests(OAUTH)] == ["/token"]


def test_a_person_whose_login_was_revoked(google, lab):
    google.entry(ENVIRONMENT)
    path = google.file(lab.google_login())
    lab.google.logins.clear()
    google.refused("the login has ended or was revoked (invalid_grant) (run `gcloud auth application-default login`)",
                   GOOGLE_APPLICATION_CREDENTIALS=path)


def test_google_is_busy(google, lab):
    google.entry(SECRET).secret(lab.google_key())
    lab.throttle(OAUTH, count=1, retry_after=0)
    google.check()
    google.entry(SECRET).secret(lab.google_key())
    lab.unavailable(OAUTH, count=20)
    google.refused("Google has a problem of its own: status 503", status=3)
    lab.clear_faults()
    google.entry(SECRET).secret(lab.google_key())
    lab.html(OAUTH)
    google.refused("token service is not JSON")


# A secret is not code.


@pytest.mark.parametrize(("change", "words"), [
    ({"token_url": "https://sts.example.com/v1/token"}, "`token_url` leads to a host that is not Google's"),
    ({"token_url": "https://sts.googleapis.com.example.com/v1/token"}, "`token_url` leads to a host that is not Google's"),
    ({"token_url": "https://sts.googleapis.com@example.com/v1/token"}, "`token_url` leads to a host that is not Google's"),
    ({"token_url": "http://sts.googleapis.com/v1/token"}, "`token_url` is no https URL"),
    ({"token_url": "http://127.0.0.1:1/v1/token"}, "`token_url` leads to a host that is not Google's"),
    ({"service_account_impersonation_url": "https://example.com/serviceAccounts/a@b.c:generateAccessToken"},
     "`service_account_impersonation_url` leads to a host that is not Google's"),
    ({"credential_source": {"executable": {"command": "/bin/sh -c true"}}}, "it wants to run a program, which a secret may not"),
    ({"credential_source": {"url": "http://169.254.169.254/metadata/identity/oauth2/token"}}, "which a secret may not choose"),
    ({"credential_source": {"url": "https://example.com/token"}}, "which a secret may not choose"),
    ({"credential_source": {"environment_id": "aws1", "url": "http://169.254.169.254/x"}},
     "an external account of AWS (`environment_id`) is not supported"),
])
def test_what_an_external_account_in_a_secret_may_not(google, lab, change, words):
    google.entry(SECRET).secret({**external({"file": "/run/token"}), **change})
    result = google.refused(words, status=2, GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES="1")
    assert words in google.factory.run("config", "check", status=2).err
    assert "secret gcp_creds" in result.err
    assert not lab.connects()


def test_a_secret_gives_away_no_file_that_is_no_token(google, lab, secret):
    google.entry(SECRET)
    secret("a file that a credentials file names", "root-of-all-evil-7d2f")
    for n, content in enumerate(["root-of-all-evil-7d2f\n", "-----BEGIN PRIVATE KEY-----\nroot-of-all-evil-7d2f\n"]):
        google.secret(external({"file": google.file(content, f"private{n}")})).refused(
            "what `credential_source` names is no OIDC token, and was not sent", status=2)
    google.secret(external({"file": "/proc/self/environ"})).refused("and was not sent", status=2)
    google.secret(external({"file": "/dev/zero"})).refused("/dev/zero", status=2)
    assert not lab.requests(STS)


def test_a_host_that_is_allowed_by_name(google, lab):
    # A stand-in of the lab's under a stranger's name is not there: what is said is that it was tried.
    google.entry(SECRET).secret({**external({"file": "/run/token"}), "token_url": "https://sts.example.com/v1/token"})
    token = google.file(lab.oidc_token(audience("cluster"), "cluster"), "token")
    google.secret({**external({"file": token}), "token_url": "https://sts.example.com/v1/token"})
    google.check(status=3, PRATIQUE_GOOGLE_ALLOW="other.example.com,STS.example.com")
    assert "sts.example.com" in {c["host"] for c in lab.connects()}


def test_a_keys_token_uri(google, lab):
    key = lab.google_key()
    google.entry(SECRET).secret({**key, "token_uri": "https://oauth2.example.com/token"}).refused(
        "`token_uri` leads to a host that is not Google's", status=2)
    assert not lab.connects() and key["token_uri"] == TOKEN_URI


@pytest.mark.parametrize(("content", "words"), [
    ("\n", "the credentials file is empty"),
    ("eyJ0eXBlIjoic2VydmljZV9hY2NvdW50In0=", "this looks like the base64 of a credentials file (decode it with `base64 -d`)"),
    ("_json_key:{}", "this is a user and a password, not the key's file"),
    ("-----BEGIN PRIVATE KEY-----", "this is a bare key or certificate"),
    ("{}", "`type` is missing"),
    ('{"installed": {}}', "the file of an OAuth client"),
    ('{"type": "gdch_service_account"}', "a credentials file of type gdch_service_account is not supported"),
    ('{"type": "service_account"}', "`client_email` is missing"),
    ('{"type": "service_account", "client_email": "a@b.c", "private_key": "x"}', "private_key"),
    ('{"type": "external_account", "audience": "x", "subject_token_type": "y"}', "`credential_source` is missing"),
])
def test_secrets_that_are_no_credentials(google, lab, content, words):
    google.entry(SECRET).secret(content)
    # Offline, too.
    assert words in google.factory.run("config", "check", status=2).err
    assert not lab.connects()


def test_the_check_is_content_with_what_is_good(google, lab):
    google.entry(SECRET).secret(lab.google_key())
    assert "the configuration is good" in google.factory.run("config", "check").out
    google.entry(OIDC)
    assert "may not ask GitHub" in google.factory.run("config", "check", status=2, env=lab.github_env(permission=False)).err
    google.factory.run("config", "check", env=lab.github_env())
    assert not lab.connects()


@pytest.mark.parametrize("host", [
    "us-docker.pkg.dev.example.com", "us-docker.pkg.dev:8443", "docker.pkg.dev", "gcr.io.example.com", "a.b.gcr.io",
])
def test_hosts_that_merely_look_like_googles(google, lab, host):
    google.entry(f"- {{type: gar, url: '{host}', gar_creds_secret_name: gcp_creds}}\n").secret(lab.google_key())
    assert "`url` is not the host of a registry of Google" in google.factory.run("config", "check", status=2).err
    # Nor does an entry for all of Google's serve it.
    google.entry(SECRET).secret(lab.google_key())
    google.factory.write({"app/docker-compose.yml": f"services:\n  a: {{image: '{host}/acme-prod/images/worker:2'}}\n"})
    google.check(status=None)
    assert not lab.requests(OAUTH)
