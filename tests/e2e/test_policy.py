"""`policy`: what is printed is run by a shell with stand-ins for the clouds' command lines, and what those were told is
given to the lab, which judges by the clouds' own rules: every pull of the tree works, another repository and every push
do not."""

import json
import shlex
import stat

import pytest

from .conftest import CONFIGURATION
from .factory import Factory

ACCOUNT = "123456789012"
ECR = f"{ACCOUNT}.dkr.ecr.us-east-2.amazonaws.com"
ACR = "acme.azurecr.io"
# Not used: tools/compiler at Amazon, base/python at Azure.
TREE = {
    "app/docker-compose.yml": (
        "services:\n"
        f"  base: {{image: '{ECR}/base:1.2'}}\n"
        f"  web: {{image: '{ACR}/web/nginx:1.25'}}\n"
        "  cache: {image: 'ghcr.example.com/acme/redis:7'}\n"),
    "api/Dockerfile": f"FROM {ECR}/base:1.2\n",
}
# Notes its arguments; az answers what is asked of a registry.
CLI = """#!/usr/bin/python3
import json, os, sys
name = os.path.basename(sys.argv[0])
if sys.argv[1:3] == ["acr", "show"]:
    what = sys.argv[sys.argv.index("--query") + 1]
    print(os.environ["MODE"] if what == "roleAssignmentMode" else f"/registries/{sys.argv[sys.argv.index('--name') + 1]}")
elif sys.argv[1:3] == ["sts", "get-caller-identity"]:
    print("123456789012")
else:
    with open(os.environ["TOLD"], "a") as stream:
        print(json.dumps([name, *sys.argv[1:]]), file=stream)
"""
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def option(told, name):
    return told[told.index(name) + 1]


def prepare(place):
    for name in ("aws", "az", "gcloud"):
        shim = place.root / "shims" / name
        shim.write_text(CLI)
        shim.chmod(shim.stat().st_mode | stat.S_IXUSR)


def run_script(place, script, mode="AbacRepositoryPermissions", status=0, **names):
    """What the clouds' command lines were told, by a script that a user ran."""
    prepare(place)
    told = place.root / "told"
    told.unlink(missing_ok=True)
    (place.root / "policy.sh").write_text(script)
    result = place.program("/bin/sh", "-eu", place.root / "policy.sh", status=status,
                           env={"TOLD": str(told), "MODE": mode, **names})
    calls = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
    return calls if status == 0 else (calls, result.err)


def documents(calls):
    return [json.loads(option(c, "--policy-document")) for c in calls if "--policy-document" in c]


def of(calls, *words):
    return [c for c in calls if c[:len(words)] == list(words)]


@pytest.fixture
def factory(session, lab):
    factory = Factory.ready(session, lab)
    factory.write(TREE)
    return factory


def skopeo(factory, *words, fails=False):
    result = factory.skopeo("copy", "-q", *words, status=None)
    assert (result.status != 0) == fails, result.text()
    return result


def may_pull(factory, name, fails=False):
    skopeo(factory, f"docker://{name}", f"dir:{factory.work / 'copy'}", fails=fails)


def may_push(factory, name):
    """An image that the registry does not have, so that its blobs are pushed too."""
    skopeo(factory, "docker://ghcr.example.com/acme/broker:2", f"docker://{name}", fails=True)


def check(factory):
    result = factory.run("check", "containers", "--json")
    return {r["registry"]: r["can_push"] for r in result.json()["registries"]}, result.err


# Judged.


def test_a_policy_allows_every_pull_of_the_tree_and_nothing_else(factory, lab):
    calls = run_script(factory.place, factory.run("policy", "containers").out, IAM_USER_1="ci-pull")
    put, = of(calls, "aws")
    assert put[:3] == ["aws", "iam", "put-user-policy"] and option(put, "--user-name") == "ci-pull"
    lab.attach_policies("default", documents(calls))
    assign, = of(calls, "az")
    assert assign[:4] == ["az", "role", "assignment", "create"] and option(assign, "--scope") == "/registries/acme"
    assert option(assign, "--assignee") == lab.credentials.azure_pull.user
    lab.assign_role(option(assign, "--assignee"), option(assign, "--role"), option(assign, "--condition"))
    lab.clear_log()

    rights, said = check(factory)
    assert rights == {ECR: False, ACR: False, "ghcr.example.com": True, "hub.example.com": None}
    assert ECR not in said and ACR not in said
    for name in (f"{ECR}/base:1.2", f"{ACR}/web/nginx:1.25"):
        may_pull(factory, name)
    for name in (f"{ECR}/tools/compiler:3", f"{ACR}/base/python:3.11"):
        may_pull(factory, name, fails=True)
    for name in (f"{ECR}/base:new", f"{ECR}/tools/compiler:new", f"{ACR}/web/nginx:new", f"{ACR}/base/python:new"):
        may_push(factory, name)
    changed = [r for r in lab.requests() if r["host"] in (ECR, ACR) and r["method"] in ("PUT", "PATCH", "POST")
               and r["path"].startswith("/v2/") and r["status"] < 400]
    assert changed == []
    caller = lab.identities.profile("default")
    for action in ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "PutImage", "BatchDeleteImage",
                   "DeleteRepository", "SetRepositoryPolicy", "ListImages"):
        assert not caller.may(f"ecr:{action}", f"arn:aws:ecr:us-east-2:{ACCOUNT}:repository/base")


def test_the_policy_takes_the_right_to_push_away(factory, lab):
    key = lab.credentials.aws_push
    factory.give_secret("aws_creds", f"[default]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n")
    factory.give_secret("azprincipal", str(lab.credentials.azure_push))
    rights, said = check(factory)
    assert rights[ECR] is rights[ACR] is True
    assert "`pratique policy` prints what pulling takes" in said
    calls = run_script(factory.place, factory.run("policy", "containers").out, IAM_USER_1="ci-push")
    lab.attach_policies("push", documents(calls))
    assign, = of(calls, "az")
    lab.assign_role(lab.credentials.azure_push.user, option(assign, "--role"), option(assign, "--condition"))
    rights, said = check(factory)
    assert rights[ECR] is rights[ACR] is False


def test_each_action_of_the_policy_is_needed(factory, lab):
    policy, = documents(run_script(factory.place, factory.run("policy", "containers").out, IAM_USER_1="x"))
    statements = policy["Statement"]
    actions = [(i, a) for i, s in enumerate(statements) for a in s["Action"]]
    assert [a for _, a in actions] == ["ecr:GetAuthorizationToken", *PULL]
    for which, action in actions:
        less = [{**s, "Action": [a for a in s["Action"] if (i, a) != (which, action)]} for i, s in enumerate(statements)]
        lab.attach_policies("default", [{**policy, "Statement": less}])
        factory.run("check", "containers", status=1)
    lab.attach_policies("default", [policy])
    factory.run("check", "containers")


def test_a_registry_that_knows_no_conditions(factory, lab):
    calls = run_script(factory.place, factory.run("policy", "containers").out, "LegacyRegistryPermissions", IAM_USER_1="x")
    assign, = of(calls, "az")
    assert option(assign, "--role") == "AcrPull" and "--condition" not in assign
    lab.assign_role(lab.credentials.azure_pull.user, "AcrPull")
    assert check(factory)[0][ACR] is False
    may_push(factory, f"{ACR}/web/nginx:new")


def test_a_token_of_the_registry_gets_a_scope_map(factory, lab):
    factory.give_secret("azprincipal", str(lab.credentials.azure_token))
    assert factory.run("check", "containers", "--json", status=1).json()["registries"][1]["login"] == "ok"
    create, update = of(run_script(factory.place, factory.run("policy", "containers").out, IAM_USER_1="x"), "az")
    assert create == shlex.split(
        "az acr scope-map create --registry acme --name pratique-pull --repository web/nginx content/read")
    assert update == shlex.split("az acr token update --registry acme --name ci-token --scope-map pratique-pull")
    lab.set_scope_map("ci-token", {create[i + 1]: [create[i + 2]] for i, w in enumerate(create) if w == "--repository"})
    assert check(factory)[0][ACR] is False


# Printed.


ENTRIES = """\
container_registries:
- {type: aws, url: 123456789012.dkr.ecr.us-east-2.amazonaws.com, aws_creds_secret_name: aws_creds}
- {type: aws, url: 123456789012.dkr.ecr.eu-west-1.amazonaws.com, aws_creds_secret_name: aws_creds}
- {type: aws, url: 123456789012.dkr.ecr.eu-west-2.amazonaws.com, aws_creds_secret_name: aws_creds, profile: two}
- {type: aws, url: 123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn, aws_creds_secret_name: aws_creds}
- {type: aws, url: 210987654321.dkr.ecr.us-gov-west-1.amazonaws.com, auth: oidc, role_arn: 'arn:aws-us-gov:iam::210987654399:role/ci/pull', oidc_audience: sts}
- {type: aws, url: 210987654321.dkr.ecr.eu-west-1.amazonaws.com, auth: environment}
- {type: azure, url: acme-d7h2f0.azurecr.io, auth: oidc, azure_tenant: 11111111-2222-3333-4444-555555555555, azure_client_id: 66666666-2222-3333-4444-555555555555}
- {type: azure, url: acme.azurecr.cn, auth: environment}
- {type: gar, gar_creds_secret_name: gcp}
- {type: gar, url: europe-docker.pkg.dev, auth: oidc, workload_identity_provider: projects/7/locations/global/workloadIdentityPools/ci/providers/github}
- {type: generic, url: ghcr.io, generic_secret_name: g}
- {type: generic, url: harbor.example.com, generic_secret_name: g}
- {type: generic, url: docker.io, generic_secret_name: g}
hub: {url: hub.example.com/acme}
"""


def policies(place, *images, config=ENTRIES, arguments=(), **how):
    place.write({"factory-config.yml": config, "tree/Dockerfile": "".join(f"FROM {i}\n" for i in images)})
    return place.run("policy", "tree", *arguments, "--json", **how).json()


def statement(policy, sid="Pull", step=0):
    found, = [s for s in policy["steps"][step]["document"]["Statement"] if s.get("Sid") == sid]
    return found


def test_one_policy_for_each_identity(place):
    got = policies(
        place, f"{ECR}/b/c:1", f"{ECR}/a", f"{ECR}/a:2", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/x",
        "123456789012.dkr.ecr.eu-west-2.amazonaws.com/y", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/z")["policies"]
    assert [(p["type"], p["identity"], statement(p)["Resource"]) for p in got] == [
        ("aws", "secret aws_creds, profile default", ["arn:aws-cn:ecr:cn-north-1:123456789012:repository/z"]),
        ("aws", "secret aws_creds, profile default", [
            "arn:aws:ecr:eu-west-1:123456789012:repository/x", "arn:aws:ecr:us-east-2:123456789012:repository/a",
            "arn:aws:ecr:us-east-2:123456789012:repository/b/c"]),
        ("aws", "secret aws_creds, profile two", ["arn:aws:ecr:eu-west-2:123456789012:repository/y"]),
    ]
    for policy in got:
        assert statement(policy, "Login")["Action"] == ["ecr:GetAuthorizationToken"]
        assert statement(policy, "Login")["Resource"] == "*" and statement(policy)["Action"] == PULL


def test_a_role_of_another_account_that_the_ci_s_token_is_for(place):
    name = "210987654321.dkr.ecr.us-gov-west-1.amazonaws.com/x"
    policy, = policies(place, name)["policies"]
    pull, trust, let_in = policy["steps"]
    assert pull["command"].startswith("aws iam put-role-policy --role-name pull ") and not pull["by_hand"]
    assert statement(policy)["Resource"] == ["arn:aws-us-gov:ecr:us-gov-west-1:210987654321:repository/x"]
    # AWS, "Create a role for OpenID Connect federation".
    assert trust["by_hand"] and trust["document"]["Statement"] == [{
        "Effect": "Allow", "Principal": {"Federated": "arn:aws-us-gov:iam::210987654399:oidc-provider/OIDC_ISSUER"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"OIDC_ISSUER:aud": "sts", "OIDC_ISSUER:sub": "OIDC_SUBJECT"}}}]
    # ECR, "Private repository policies": no Resource.
    assert let_in["by_hand"] and let_in["document"]["Statement"] == [{
        "Sid": "PratiquePull", "Effect": "Allow", "Principal": {"AWS": "arn:aws-us-gov:iam::210987654399:role/ci/pull"},
        "Action": PULL}]
    assert let_in["command"].startswith(
        "aws ecr set-repository-policy --region us-gov-west-1 --registry-id 210987654321 --repository-name x --policy-text '{")
    # As comments, they are not run.
    calls = run_script(place, place.run("policy", "tree").out)
    assert [c[2] for c in calls] == ["put-role-policy"]


def test_a_role_that_is_assumed_with_the_secret_s_keys(place):
    config = ENTRIES.replace("profile: two", "role_arn: 'arn:aws:iam::123456789012:role/pull'")
    policy, = policies(place, "123456789012.dkr.ecr.eu-west-2.amazonaws.com/y", config=config)["policies"]
    assert policy["identity"] == "secret aws_creds, role arn:aws:iam::123456789012:role/pull"
    pull, assume = policy["steps"]
    assert "--role-name pull " in pull["command"] and "${IAM_USER_3:?" in assume["command"]
    assert assume["document"]["Statement"] == [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::123456789012:role/pull"}]


def test_a_role_of_devices(place):
    images = [f"{ECR}/a", "123456789012.dkr.ecr.eu-west-2.amazonaws.com/y", "210987654321.dkr.ecr.eu-west-1.amazonaws.com/z"]
    policy, = policies(place, *images, arguments=["--role", "device-pull"])["policies"]
    assert policy["identity"] == "role device-pull" and len(statement(policy)["Resource"]) == 3
    assert policy["steps"][0]["command"].startswith(
        "aws iam put-role-policy --role-name device-pull --policy-name pratique-pull-device-pull --policy-document '{")
    policy, = policies(place, *images, arguments=["--role", f"arn:aws:iam::{ACCOUNT}:role/fleet/device-pull"])["policies"]
    assert "--role-name device-pull " in policy["steps"][0]["command"]
    assert "--registry-id 210987654321" in policy["steps"][1]["command"]
    for wrong in ("", "a b", "x" * 65, "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x", "x'; reboot"):
        assert "--role wants a role" in place.run("policy", "tree", "--role", wrong, status=2).err


def test_what_iam_takes_no_longer_is_divided(place):
    images = [f"{ECR}/team/of/some/length/image-{n:03}" for n in range(1000)]
    policy, = policies(place, *images)["policies"]
    made = [s["document"] for s in policy["steps"] if s["document"]]
    resources = [r for d in made for s in d["Statement"] if s["Sid"] == "Pull" for r in s["Resource"]]
    assert resources == [f"arn:aws:ecr:us-east-2:{ACCOUNT}:repository/{i.partition('/')[2]}" for i in images]
    # IAM counts no white space.
    sizes = [len(json.dumps(d, separators=(",", ":"))) for d in made]
    assert max(sizes) <= 6144 and min(sizes[:-1]) > 6000
    assert [sum(s["Sid"] == "Login" for s in d["Statement"]) for d in made] == [1] + [0] * (len(made) - 1)
    assert f"These are {len(made)} policies, and an identity may have 10 of them" in policy["steps"][0]["note"]
    calls = run_script(place, place.run("policy", "tree").out, IAM_USER_1="u")
    names = [option(c, "--policy-name") for c in calls if c[2] == "create-policy"]
    assert names == [f"pratique-pull-aws_creds-default-{n + 1}" for n in range(len(made))]
    assert documents(calls) == made
    assert [option(c, "--policy-arn") for c in calls if c[2] == "attach-user-policy"] == [
        f"arn:aws:iam::{ACCOUNT}:policy/{n}" for n in names]


def test_an_inline_policy_of_a_user_is_short(place):
    def verbs(count):
        policy, = policies(place, *(f"{ECR}/image-{n:03}" for n in range(count)))["policies"]
        sizes = [len(json.dumps(s["document"], separators=(",", ":"))) for s in policy["steps"] if s["document"]]
        return policy["steps"][0]["command"].split()[2], sizes[0]
    sizes = {count: verbs(count) for count in range(25, 40)}
    assert {verb == "put-user-policy" for verb, size in sizes.values() if size <= 2048} == {True}
    assert {verb == "create-policy" for verb, size in sizes.values() if size > 2048} == {True}


def test_azure_in_its_clouds(place):
    workload, china = policies(place, "acme-d7h2f0.azurecr.io/a", "acme.azurecr.cn/b/c")["policies"]
    assert "--assignee 66666666-2222-3333-4444-555555555555 " in workload["steps"][0]["command"]
    assert "az acr show --name acme --query id" in workload["steps"][0]["command"]
    assert china["steps"][0]["command"] == "az cloud set --name AzureChinaCloud" and china["steps"][0]["by_hand"]
    assert "${AZURE_PRINCIPAL_8:?" in china["steps"][1]["command"]


def bindings(place, *images):
    script = place.run("policy", "tree").out
    return [(c[4], option(c, "--location"), option(c, "--project"), option(c, "--member"))
            for c in run_script(place, script, SERVICE_ACCOUNT_9="ci@p.iam.gserviceaccount.com", OIDC_SUBJECT_10="repo:a/b")
            if c[:4] == ["gcloud", "artifacts", "repositories", "add-iam-policy-binding"]
            and option(c, "--role") == "roles/artifactregistry.reader"]


GOOGLE = ["us-docker.pkg.dev/p/r/a:1", "us-docker.pkg.dev/p/r/b/c", "us-docker.pkg.dev/p/r2/a", "docker.us-east1.rep.pkg.dev/p/r/x",
          "gcr.io/p/x", "us.gcr.io/p/x", "eu.gcr.io/example.com/p/x/y", "asia.gcr.io/p/x"]


def test_a_binding_for_each_repository_of_google(place):
    policies(place, *GOOGLE)
    member = "serviceAccount:ci@p.iam.gserviceaccount.com"
    # Artifact Registry, "gcr.io domain support", for those that were Container Registry.
    assert bindings(place) == [
        ("asia.gcr.io", "asia", "p", member), ("r", "us-east1", "p", member), ("eu.gcr.io", "europe", "example.com:p", member),
        ("gcr.io", "us", "p", member), ("r", "us", "p", member), ("r2", "us", "p", member), ("us.gcr.io", "us", "p", member)]
    policies(place, "europe-docker.pkg.dev/p/r/a")
    assert bindings(place) == [("r", "europe", "p", "principal://iam.googleapis.com/projects/7/locations/global/"
                                "workloadIdentityPools/ci/subject/repo:a/b")]


@pytest.mark.parametrize(("content", "member"), [
    ({"type": "service_account", "client_email": "pull@p.iam.gserviceaccount.com", "private_key": "unused"},
     "serviceAccount:pull@p.iam.gserviceaccount.com"),
    ({"type": "external_account", "audience": "//iam.googleapis.com/projects/7/locations/global/workloadIdentityPools/ci/providers/x",
      "service_account_impersonation_url":
          "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/pull@p.iam.gserviceaccount.com:generateAccessToken"},
     "serviceAccount:pull@p.iam.gserviceaccount.com"),
    ({"type": "service_account", "client_email": 'x@y";touch stolen;"'}, "serviceAccount:ci@p.iam.gserviceaccount.com"),
    ("not JSON", "serviceAccount:ci@p.iam.gserviceaccount.com"),
])
def test_who_a_secret_of_google_s_is(place, content, member):
    place.run("secrets", "update", "gcp=-", input=json.dumps(content) if isinstance(content, dict) else content)
    policies(place, "us-docker.pkg.dev/p/r/a:1")
    assert bindings(place) == [("r", "us", "p", member)]
    assert not list(place.root.rglob("stolen"))


def test_a_path_without_a_repository_of_google(place):
    got = policies(place, "us-docker.pkg.dev/p/r", "us-docker.pkg.dev/p/r/a", "gcr.io/x", status=1)
    assert [e["where"] for e in got["errors"]] == ["gcr.io/x", "us-docker.pkg.dev/p/r"]
    assert len(got["policies"][0]["steps"]) == 1


def test_words_for_tokens_and_those_whom_no_entry_serves(place):
    got = policies(place, "ghcr.io/o/x", "harbor.example.com/p/x", "busybox", "quay.io/o/x", "hub.example.com/acme/web:1")
    notes = {p["registries"][0]: p["steps"][0] for p in got["policies"]}
    assert set(notes) == {"ghcr.io", "harbor.example.com", "docker.io"}
    assert "read:packages" in notes["ghcr.io"]["note"] and "Read-only" in notes["docker.io"]["note"]
    assert "robot account" in notes["harbor.example.com"]["note"]
    assert {n["command"] for n in notes.values()} == {None}
    assert got["others"] == [
        {"registry": "hub.example.com", "repository": "acme/web", "access": "hub"},
        {"registry": "quay.io", "repository": "o/x", "access": "anonymous"}]


# Errors, and what is not done.


def test_what_is_wanted_is_said_by_the_shell(place):
    policies(place, f"{ECR}/a")
    calls, said = run_script(place, place.run("policy", "tree").out, status=2)
    assert calls == [] and "IAM_USER_1: the IAM user whose keys are in secret aws_creds, profile default" in said


def test_nothing_of_the_configuration_is_run(place):
    profile = "a\\\"$(touch stolen)`touch stolen`"
    config = ENTRIES.replace("profile: two", f'profile: "{profile}"')
    policies(place, "123456789012.dkr.ecr.eu-west-2.amazonaws.com/y", config=config, status=None)
    script = place.run("policy", "tree", status=None).out
    run_script(place, script, status=2 if script else 0)
    assert not list(place.root.rglob("stolen"))


def test_a_role_s_name_is_a_word(place):
    """It is refused, or it is one word of each command; never a command."""
    role = "arn:aws:iam::123456789012:role/a;touch${IFS}stolen;$(touch${IFS}stolen)"
    config = ENTRIES.replace("profile: two", f"role_arn: '{role}'")
    place.write({"factory-config.yml": config, "tree/Dockerfile": "FROM 123456789012.dkr.ecr.eu-west-2.amazonaws.com/y\n"})
    script = place.run("policy", "tree", status=None).out
    calls = run_script(place, script, IAM_USER_3="me")
    assert not list(place.root.rglob("stolen"))
    assert all(option(c, "--policy-name").startswith("pratique-") for c in calls if c[2] == "put-role-policy")


def test_an_image_that_cannot_be_known(factory, lab):
    factory.write({"b/Dockerfile": "ARG BASE\nFROM $BASE\n"})
    result = factory.run("policy", "containers", status=1)
    assert "b/Dockerfile:2: which image is meant cannot be known" in result.err and "aws iam" in result.out
    factory.run("policy", "containers", "--build-arg", f"BASE={ECR}/tools/compiler:3")
    factory.write({"b/docker-compose.yml": "services: [\n"})
    broken = factory.run("policy", "containers", "--json", status=2).json()
    assert broken["policies"] == broken["others"] == [] and broken["errors"]


def test_an_image_that_is_built_here_is_not_pulled(session, lab):
    config = CONFIGURATION.format(**{**lab.hosts, "hub": lab.hosts["generic"]}, factory="acme")
    factory = Factory(session, lab, config=config)
    factory.write({**TREE, "web/docker-compose.yml": "services: {w: {image: 'ghcr.example.com/acme/api:latest'}}\n"})
    got = factory.run("policy", "containers", "--json").json()
    assert [p["repositories"] for p in got["policies"] if p["type"] == "generic"] == [["ghcr.example.com/acme/redis"]]


def test_it_is_offline_and_needs_a_configuration(factory, lab):
    lab.clear_log()
    factory.run("policy", "containers")
    assert lab.requests() == lab.connects() == []
    (factory.work / "factory-config.yml").unlink()
    assert "no factory-config.yml" in factory.run("policy", "containers", status=2).err
