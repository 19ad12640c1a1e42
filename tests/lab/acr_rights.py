"""What an identity may do at a registry of Azure: by a role assignment, with a condition or without; by a scope map."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_DATA = "Microsoft.ContainerRegistry/registries/repositories"
# What a docker scope's action takes.
_NEEDS = {"pull": "content/read", "push": "content/write", "delete": "content/delete"}
_ROLES = {
    # In a registry without conditions.
    "AcrPull": {"content/read", "metadata/read"},
    "AcrPush": {"content/read", "metadata/read", "content/write", "metadata/write"},
    # In one with them.
    "Container Registry Repository Reader": {"content/read", "metadata/read"},
    "Container Registry Repository Writer": {"content/read", "metadata/read", "content/write", "metadata/write"},
}


@dataclass
class Rights:
    """`may("pull", "web/nginx")`."""

    by_repository: dict[str, set[str]] = field(default_factory=dict)  # of a scope map
    role: str | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        if self.role and self.role not in _ROLES:
            raise ValueError(f"no such role: {self.role}")
        if self.role and self.role.startswith("Acr") and self.condition:
            raise ValueError("this role knows no conditions")
        if self.condition:
            condition_allows(self.condition, f"{_DATA}/content/read", "x")  # says what is wrong with it

    def may(self, action: str, repository: str) -> bool:
        needed = _NEEDS.get(action, "")
        if self.role is None:
            return needed in self.by_repository.get(repository, set())
        return needed in _ROLES[self.role] and (
            self.condition is None or condition_allows(self.condition, f"{_DATA}/{needed}", repository))


def condition_allows(condition: str, action: str, repository: str) -> bool:
    """Azure's language of conditions, version 2.0, as far as policies of repositories go: AND, OR, !, parentheses,
    ActionMatches{'…'}, @Request[…:name] with StringEqualsIgnoreCase and StringStartsWithIgnoreCase."""
    tokens = list(_tokens(condition))
    value = _either(tokens, action, repository)
    if tokens:
        raise ValueError(f"not understood in a condition: {tokens[0]}")
    return value


_TOKEN = re.compile(
    r"\s*(?:(?P<word>[()!]|AND\b|OR\b)|ActionMatches\{'(?P<action>[^']*)'\}"
    r"|@Request\[(?P<attribute>[^]]*)\]\s+(?P<operator>StringEqualsIgnoreCase|StringStartsWithIgnoreCase)\s+'(?P<text>[^']*)')")


def _tokens(condition: str) -> Iterator[re.Match[str]]:
    at = 0
    while condition[at:].strip():
        found = _TOKEN.match(condition, at)
        if not found:
            raise ValueError(f"not understood in a condition: {condition[at:at + 40]}")
        at = found.end()
        yield found


def _next(tokens: list[re.Match[str]], *words: str) -> bool:
    if tokens and tokens[0]["word"] in words:
        tokens.pop(0)
        return True
    return False


def _either(tokens: list[re.Match[str]], action: str, repository: str) -> bool:
    return _series("OR", any, lambda: _series("AND", all, lambda: _one(tokens, action, repository), tokens), tokens)


def _series(
    word: str, join: Callable[[list[bool]], bool], part: Callable[[], bool], tokens: list[re.Match[str]]
) -> bool:
    values = [part()]
    while _next(tokens, word):
        values.append(part())
    return join(values)


def _one(tokens: list[re.Match[str]], action: str, repository: str) -> bool:
    if _next(tokens, "!"):
        return not _one(tokens, action, repository)
    if _next(tokens, "("):
        value = _either(tokens, action, repository)
        if not _next(tokens, ")"):
            raise ValueError("a parenthesis is not closed")
        return value
    if not tokens or tokens[0]["word"]:
        raise ValueError("the condition ends too early")
    token = tokens.pop(0)
    if token["action"] is not None:
        return token["action"] == action
    if token["attribute"] != f"{_DATA}:name":
        raise ValueError(f"no such attribute: {token['attribute']}")
    mine, wanted = repository.lower(), token["text"].lower()
    return mine == wanted if token["operator"] == "StringEqualsIgnoreCase" else mine.startswith(wanted)
