"""Google: each identity ends in a private pull, from a registry that looks at whose the token is, its scope and its end;
and what a person sees when it does not."""

import json
import os

import pytest

from lab.google import MTLS_HOST, PROJECT_NUMBER, TOKEN_URI, account, provider
from lab.oidc import GITHUB_ISSUER, SUBJECTS

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
        answer = self.credential(**env)
        place.write({"given-secrets/auth.json": json.dumps({"auths": {HOST: {"auth": answer}}})})
        place.program("skopeo", "copy", "-q", f"docker://{IMAGE}", f"dir:{place.work}/pulled",
                      env={"REGISTRY_AUTH_FILE": str(place.work / "given-secrets/auth.json")})
        assert (place.work / "pulled/manifest.json").is_file()
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
