"""Judges IAM policies as AWS documents it ("Policy evaluation logic"): an explicit Deny wins, else an Allow is needed; an
identity of another account needs one of its own policies and one of the resource's. What is not judged here (conditions,
boundaries, session policies) is refused rather than passed over."""

import re
from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]

_STATEMENT_KEYS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource"}


class BadPolicy(ValueError):
    """IAM would answer MalformedPolicyDocument, or it is more than is judged here."""


def check(document: Document, *, resource_based: bool = False) -> Document:
    if document.get("Version") not in ("2012-10-17", "2008-10-17") or set(document) - {"Version", "Id", "Statement"}:
        raise BadPolicy("not a policy of this version")
    sids = [s["Sid"] for s in _statements(document) if "Sid" in s]
    if len(sids) != len(set(sids)) or not all(re.fullmatch(r"[A-Za-z0-9]*", sid) for sid in sids):
        raise BadPolicy("Sids must be unique, of letters and digits")
    for statement in _statements(document):
        if unknown := set(statement) - _STATEMENT_KEYS:
            raise BadPolicy(f"not judged here: {', '.join(sorted(unknown))}")
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise BadPolicy("Effect is Allow or Deny")
        if ("Action" in statement) == ("NotAction" in statement):
            raise BadPolicy("either Action or NotAction")
        if ("Principal" in statement) != resource_based:
            raise BadPolicy("a policy of a resource names principals, one of an identity does not")
        # A repository's policy is for that repository.
        if not resource_based and ("Resource" in statement) == ("NotResource" in statement):
            raise BadPolicy("either Resource or NotResource")
    return document


def allows(policies: Iterable[Document], action: str, resource: str) -> bool:
    """Whether an identity with these policies may, as far as its own account has a say."""
    effects = {s["Effect"] for p in policies for s in _statements(p) if _fits(s, action, resource)}
    return effects == {"Allow"}


def lets_in(policy: Document, principal: str, action: str) -> bool:
    """Whether a repository's policy lets a principal (an ARN) in."""
    account = principal.split(":")[4]
    effects = set()
    for statement in _statements(policy):
        named = statement["Principal"]
        names = _list(named["AWS"]) if isinstance(named, dict) else [named]
        if {principal, account, f"arn:aws:iam::{account}:root", "*"} & set(names) and _fits(statement, action, "*"):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def trusts(trust: Document, service: str, action: str, context: dict[str, str]) -> bool:
    """Whether a role's trust policy lets a service of AWS's assume it; `context` are the values that conditions see."""
    effects = set()
    for statement in _statements(trust):
        statement = dict(statement)
        conditions = statement.pop("Condition", {})
        check({**trust, "Statement": [statement]}, resource_based=True)
        named = statement["Principal"]
        if service not in (_list(named.get("Service", [])) if isinstance(named, dict) else []):
            continue
        if _fits(statement, action, "*") and all(_holds(o, k, context) for o, k in conditions.items()):
            effects.add(statement["Effect"])
    return effects == {"Allow"}


def _holds(operator: str, keys: dict[str, Any], context: dict[str, str]) -> bool:
    if operator not in ("StringEquals", "StringLike", "ArnEquals", "ArnLike"):
        raise BadPolicy(f"not judged here: {operator}")
    # Keys have no case, values do.
    values = {key.lower(): value for key, value in context.items()}
    like = operator != "StringEquals"
    return all(
        key.lower() in values and (_any(wanted, values[key.lower()]) if like else values[key.lower()] in _list(wanted))
        for key, wanted in keys.items())


def _statements(document: Document) -> list[dict[str, Any]]:
    return _list(document["Statement"])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fits(statement: dict[str, Any], action: str, resource: str) -> bool:
    if "Action" in statement:
        acts = _any(statement["Action"], action, re.IGNORECASE)
    else:
        acts = not _any(statement["NotAction"], action, re.IGNORECASE)
    if "Resource" in statement:
        return acts and _any(statement["Resource"], resource)
    if "NotResource" in statement:
        return acts and not _any(statement["NotResource"], resource)
    return acts


def _any(patterns: Any, text: str, flags: int = 0) -> bool:
    """`*` is any run of characters, `?` any one. Actions have no case, resources do."""
    return any(
        re.fullmatch(re.escape(p).replace(r"\*", ".*").replace(r"\?", "."), text, flags) for p in _list(patterns))
