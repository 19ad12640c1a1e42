"""`policy` with what others wrote: AWS's command line runs what is printed, moto is the IAM that takes it and evaluates it,
parliament looks for what is wrong with the documents."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.place import Place

from . import judges
from .conftest import Factory
from .judges import Judge

ACCOUNT, ECR = "123456789012", "123456789012.dkr.ecr.us-east-2.amazonaws.com"
PULL = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
MORE = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage", "ecr:BatchDeleteImage",
        "ecr:SetRepositoryPolicy", "ecr:DeleteRepository", "ecr:ListImages"]


@pytest.fixture(scope="session")
def judge() -> Judge:
    return judges.iam()


def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def awscli_before_moto(judge: Judge, place: Place) -> Iterator[Callable[..., Any]]:
    """aws("iam", "get-user-policy", …): AWS's command line before moto; also what scripts find on their PATH."""
    aws = shutil.which("aws", path="/usr/bin") or judges.missing("awscli", "no /usr/bin/aws here (Debian: awscli)")
    number = port()
    moto = subprocess.Popen([judge.argv[0], "-m", "moto.server", "-H", "127.0.0.1", "-p", str(number)],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shim = place.root / "shims/aws"
    shim.write_text(f'#!/bin/sh\nexec {aws} --endpoint-url http://127.0.0.1:{number} "$@"\n')
    shim.chmod(0o755)
    place.env.update({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "unused",
                      "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": ""})

    def run(*words: str) -> Any:
        out = place.program("aws", *words, env={"HTTPS_PROXY": None, "https_proxy": None}).out
        return json.loads(out) if out.strip() else None

    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            time.sleep(0.1)
        yield run
    finally:
        moto.terminate()
        moto.wait()
        shim.unlink()


@pytest.fixture(scope="session")
def aws(judge: Judge, factory: Factory) -> Iterator[Callable[..., Any]]:
    yield from awscli_before_moto(judge, factory.place)


def ask(judge: Judge, policies: list[Any], asks: list[tuple[str, str]]) -> tuple[list[bool], list[str]]:
    given = json.dumps({"policies": policies, "asks": asks})
    done = subprocess.run(judge.argv, input=given, capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"})
    told = json.loads(done.stdout)
    return told["allowed"], told["findings"]


def arn(repository: str) -> str:
    return f"arn:aws:ecr:us-east-2:{ACCOUNT}:repository/{repository}"


def run_script(factory: Factory, folder: Path, **names: str) -> None:
    """Only what is for aws; the others' command lines are not here."""
    script = factory.run("policy", folder).out
    only = script.partition("\n\n\n# ")[0]
    assert only.startswith("# aws: ")
    (folder.parent / "policy.sh").write_text(only)
    factory.place.program("/bin/sh", "-eu", folder.parent / "policy.sh", env={**names, "HTTPS_PROXY": None, "https_proxy": None})


def test_an_inline_policy(judge: Judge, factory: Factory, aws: Callable[..., Any], says: Callable[..., None]) -> None:
    used = {i["repository"] for i in factory.run("images", factory.containers, "--json").json()["images"] if i["registry"] == ECR}
    assert used
    aws("iam", "create-user", "--user-name", "ci-pull")
    run_script(factory, factory.containers, IAM_USER_1="ci-pull")
    name, = aws("iam", "list-user-policies", "--user-name", "ci-pull")["PolicyNames"]
    policy = aws("iam", "get-user-policy", "--user-name", "ci-pull", "--policy-name", name)["PolicyDocument"]
    asks = [("ecr:GetAuthorizationToken", "*"), *((a, arn(r)) for r in used for a in PULL)]
    allowed, findings = ask(judge, [policy], asks)
    assert all(allowed) and findings == []
    refused = [*((a, arn(r)) for r in (*used, "unlisted") for a in MORE), *((a, arn("unlisted")) for a in PULL),
               *((a, arn(next(iter(used)) + "/x")) for a in PULL)]
    assert not any(ask(judge, [policy], refused)[0])
    says(judge, f"a policy of {len(used)} repositories gives every pull and no more; awscli set it; parliament finds nothing")


def test_policies_of_many_repositories(
    judge: Judge, factory: Factory, aws: Callable[..., Any], says: Callable[..., None]
) -> None:
    names = [f"team/of/some/length/image-{n:03}" for n in range(300)]
    folder = factory.place.write({"Dockerfile": "".join(f"FROM {ECR}/{n}:1\n" for n in names)}, "many")
    aws("iam", "create-user", "--user-name", "ci-many")
    run_script(factory, folder, IAM_USER_1="ci-many")
    attached = aws("iam", "list-attached-user-policies", "--user-name", "ci-many")["AttachedPolicies"]
    policies = [aws("iam", "get-policy-version", "--policy-arn", p["PolicyArn"], "--version-id", "v1")["PolicyVersion"]["Document"]
                for p in attached]
    allowed, findings = ask(judge, policies, [(a, arn(n)) for n in names for a in PULL])
    assert len(policies) > 1 and all(allowed) and findings == []
    assert not any(ask(judge, policies, [(a, arn(n)) for n in names for a in MORE])[0])
    says(judge, f"{len(policies)} policies give every pull of {len(names)} repositories and no more")
