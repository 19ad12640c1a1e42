"""The lab's judges of rights: IAM policies, and what Azure gives at a registry. The cases are those of the clouds' own
documentation, named at each."""

import pytest

from lab import iam
from lab.acr_rights import Rights, condition_allows

BASE = "arn:aws:ecr:us-east-2:123456789012:repository/base"


def policy(*statements):
    return iam.check({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource, effect="Allow"):
    return {"Effect": effect, "Action": action, "Resource": resource}


# IAM, "Determining whether a request is allowed or denied within an account".


def test_nothing_is_allowed_that_nobody_allows():
    assert not iam.allows([], "ecr:BatchGetImage", BASE)
    assert not iam.allows([policy(allow("ecr:PutImage", "*"))], "ecr:BatchGetImage", BASE)


def test_an_explicit_deny_wins_wherever_it_stands():
    deny = policy(allow(["ecr:Batch*"], BASE, "Deny"))
    give = policy(allow("*", "*"))
    for policies in ([give, deny], [deny, give]):
        assert not iam.allows(policies, "ecr:BatchGetImage", BASE)
        assert iam.allows(policies, "ecr:BatchGetImage", BASE + "2")


# IAM, "IAM JSON policy elements: Action", "Resource".


@pytest.mark.parametrize(("action", "resource", "fits"), [
    ("ecr:BatchGetImage", BASE, True),
    ("ECR:batchgetimage", BASE, True),                      # "the prefix and the action name are case insensitive"
    ("ecr:*", BASE, True),
    ("ecr:Batch?etImage", BASE, True),
    ("ecr:BatchGet", BASE, False),
    ("*", "arn:aws:ecr:*:123456789012:repository/*", True),  # `*` matches `/` and `:` too
    ("*", "arn:aws:ecr:us-east-2:123456789012:repository/b?se", True),
    ("*", "arn:aws:ecr:us-east-2:123456789012:repository/Base", False),
    ("*", "arn:aws:ecr:us-east-2:123456789012:repository/bas", False),
    ("*", "arn:aws:ecr:us-east-2:123456789012:repository/base/x", False),
    ("*", [BASE + "x", BASE], True),
])
def test_what_fits_a_statement(action, resource, fits):
    assert iam.allows([policy(allow(action, resource))], "ecr:BatchGetImage", BASE) is fits


def test_not_action_and_not_resource():
    assert iam.allows([policy({"Effect": "Allow", "NotAction": "iam:*", "NotResource": BASE})], "ecr:PutImage", "*")
    assert not iam.allows([policy({"Effect": "Allow", "NotAction": "ecr:*", "Resource": "*"})], "ecr:PutImage", BASE)


@pytest.mark.parametrize("document", [
    {"Statement": []},
    {"Version": "2012-10-17", "Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]},
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*"}]},
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*"}]},
    {"Version": "2012-10-17", "Statement": [{**allow("*", "*"), "Principal": "*"}]},
    {"Version": "2012-10-17", "Statement": [{**allow("*", "*"), "Condition": {}}]},
    {"Version": "2012-10-17", "Statement": [{**allow("*", "*"), "Sid": "a b"}]},
    {"Version": "2012-10-17", "Statement": [{**allow("*", "*"), "Sid": "a"}, {**allow("*", "*"), "Sid": "a"}]},
])
def test_what_is_no_policy_or_more_than_is_judged(document):
    with pytest.raises(iam.BadPolicy):
        iam.check(document)


def test_a_repository_that_lets_a_principal_of_another_account_in():
    """ECR, "Private repository policy examples": allow one or more accounts."""
    role = "arn:aws:iam::210987654321:role/pull"
    for named in (role, "210987654321", "arn:aws:iam::210987654321:root", ["x", role]):
        document = iam.check({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": named}, "Action": "ecr:BatchGetImage"}]}, resource_based=True)
        assert iam.lets_in(document, role, "ecr:BatchGetImage")
        assert not iam.lets_in(document, role, "ecr:PutImage")
        assert not iam.lets_in(document, "arn:aws:iam::111111111111:role/pull", "ecr:BatchGetImage")


# Azure, "Microsoft Entra attribute-based access control for repository permissions".

READ = "Microsoft.ContainerRegistry/registries/repositories/content/read"
NGINX = """
(
 (
  !(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/content/read'})
  AND
  !(ActionMatches{'Microsoft.ContainerRegistry/registries/repositories/metadata/read'})
 )
 OR
 (
  @Request[Microsoft.ContainerRegistry/registries/repositories:name] StringEqualsIgnoreCase 'nginx'
 )
)
"""


def test_the_condition_for_one_repository():
    assert condition_allows(NGINX, READ, "nginx") and condition_allows(NGINX, READ, "NGINX")
    assert not condition_allows(NGINX, READ, "nginx2") and not condition_allows(NGINX, READ, "a/nginx")
    assert condition_allows(NGINX, READ.replace("content", "config"), "other")  # not what the condition is about
    prefix = NGINX.replace("StringEqualsIgnoreCase 'nginx'", "StringStartsWithIgnoreCase 'backend/'")
    assert condition_allows(prefix, READ, "backend/nginx") and not condition_allows(prefix, READ, "backend-infra")


@pytest.mark.parametrize("wrong", ["(", "()", "x", "(ActionMatches{'a'}", "@Request[other] StringEqualsIgnoreCase 'a'", ""])
def test_what_is_no_condition(wrong):
    with pytest.raises(ValueError):
        condition_allows(wrong, READ, "nginx")


def test_roles_and_scope_maps():
    reader = Rights(role="Container Registry Repository Reader", condition=NGINX)
    assert reader.may("pull", "nginx") and not reader.may("pull", "other") and not reader.may("push", "nginx")
    assert Rights(role="AcrPull").may("pull", "any") and not Rights(role="AcrPull").may("push", "any")
    scope_map = Rights({"nginx": {"content/read"}})
    assert scope_map.may("pull", "nginx") and not scope_map.may("push", "nginx") and not scope_map.may("pull", "other")
    for wrong in ({"role": "Owner"}, {"role": "AcrPull", "condition": NGINX}):
        with pytest.raises(ValueError):
            Rights(**wrong)
