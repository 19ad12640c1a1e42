"""`policy --device` with what others wrote: AWS's command line looks at every command and runs those for IAM and AWS IoT
before moto; moto's evaluator and parliament judge the documents."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.own_device import ANYWHERE, ECR, Device, certify, new_key
from e2e.place import Place

from . import judges
from .conftest import PROGRAMS
from .judges import Judge
from .test_policy import MORE, PULL, arn, ask, awscli_before_moto

NAMES = [f"{ECR}/base", f"{ECR}/app/web", f"{ANYWHERE}/base"]


@pytest.fixture(scope="module")
def judge() -> Judge:
    return judges.iam()


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Device:
    folder = tmp_path_factory.mktemp("d", numbered=False)
    (folder / "p").mkdir()
    return Device(Place(folder / "p", PROGRAMS, {}))


@pytest.fixture(scope="module")
def aws(judge: Judge, device: Device) -> Iterator[Callable[..., Any]]:
    yield from awscli_before_moto(judge, device.place)


def policies(device: Device, *more: str) -> list[dict[str, Any]]:
    names = [word for name in NAMES for word in ("--repository", name)]
    told: list[dict[str, Any]] = device.run("policy", "--device", *names, "--json", *more).json()["policies"]
    return told


def commands(device: Device, *more: str) -> list[str]:
    return [s["command"] for p in policies(device, *more) for s in p["steps"] if s["command"]]


def test_awscli_knows_every_command(device: Device, says: Callable[..., None]) -> None:
    """Also those that are comments. It looks at options and values before it connects, which it cannot here."""
    told = commands(device, "--account", "999999999999")
    assert len(told) == 13
    env = {"CERTIFICATE_ARN_1": "arn:aws:iot:us-east-2:999999999999:cert/" + "0" * 64, "DEVICE_CA_2": str(device.ca),
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_MAX_ATTEMPTS": "1"}
    cli = judges.aws_cli()

    def said(command: str) -> str:
        line = command.replace("aws ", f"{cli.argv[0]} ", 1) + " --endpoint-url http://127.0.0.1:9"
        out: str = device.place.program("/bin/bash", "-euc", line, status=None, env=env).err
        return out

    for command in told:
        assert "Could not connect to the endpoint URL" in said(command), command
    assert "Could not connect" not in said(told[2].replace("--role-alias", "--role-nickname"))
    says(cli, f"the options and values of {len(told)} commands are good")


def test_moto_takes_what_iam_and_iot_are_told(
    device: Device, judge: Judge, aws: Callable[..., Any], says: Callable[..., None]
) -> None:
    pem = Path(device.place.root / "client.pem")
    pem.write_bytes(certify(new_key()))
    known = aws("iot", "register-certificate-without-ca", "--region", "us-east-2", "--status", "ACTIVE", "--certificate-pem",
                f"file://{pem}")
    script = "\n".join(c for c in commands(device) if c.startswith(("aws iam", "aws iot")))
    device.place.program("/bin/sh", "-euc", script, env={"CERTIFICATE_ARN_1": known["certificateArn"]})
    assert shutil.which("aws", path=device.place.env["PATH"])
    trust = aws("iam", "get-role", "--role-name", "pratique-ecr-pull")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "credentials.iot.amazonaws.com"}
    alias = aws("iot", "describe-role-alias", "--region", "us-east-2", "--role-alias", "ecr-pull")["roleAliasDescription"]
    assert alias["roleArn"].endswith(":role/pratique-ecr-pull")
    # The ARN that policy and trust name is the one that the alias really has.
    statement = trust["Statement"][0]["Condition"]
    assert statement["ArnLike"]["aws:SourceArn"] == alias["roleAliasArn"]
    attached = aws("iot", "list-attached-policies", "--region", "us-east-2", "--target", known["certificateArn"])["policies"]
    text = aws("iot", "get-policy", "--region", "us-east-2", "--policy-name", attached[0]["policyName"])["policyDocument"]
    assert json.loads(text)["Statement"][0]["Resource"] == alias["roleAliasArn"]
    things = aws("iot", "list-principal-things", "--region", "us-east-2", "--principal", known["certificateArn"])["things"]
    assert things == ["dev-7"]
    says(judge, "role, alias, thing, certificate and IoT policy name one another; awscli set them")


def test_the_documents(device: Device, judge: Judge, says: Callable[..., None]) -> None:
    documents = {s["command"].split()[2] + str(n): s["document"] for n, p in enumerate(policies(device)) for s in p["steps"]
                 if s["document"]}
    pull = documents["put-role-policy0"]
    allowed, findings = ask(judge, [pull], [("ecr:GetAuthorizationToken", "*"),
                                            *((a, arn(r)) for r in ("base", "app/web") for a in PULL)])
    assert all(allowed) and findings == []
    assert not any(ask(judge, [pull], [*((a, arn("base")) for a in MORE), *((a, arn("other")) for a in PULL)])[0])
    # The action is of AWS IoT's own policies, which parliament does not know; nor moto's evaluator the condition.
    iot = documents["create-policy0"]
    alias = "arn:aws:iot:us-east-2:123456789012:rolealias/ecr-pull"
    plain = {**iot, "Statement": [{k: v for k, v in iot["Statement"][0].items() if k != "Condition"}]}
    assert ask(judge, [plain], [("iot:AssumeRoleWithCertificate", alias), ("iot:AssumeRoleWithCertificate", alias + "2"),
                                ("iot:Connect", alias)])[0] == [True, False, False]
    says(judge, "the role's and the certificate's policy give just their one thing; parliament finds nothing in the role's")
