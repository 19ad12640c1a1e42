#!/usr/bin/python3
"""Reads TOML with Python's own tomllib and with pratique (toml_driver) and compares: crafted documents, and random ones
of pieces that meet in every order.

usage: test_toml_tomllib.py DRIVER [COUNT [SEED]]

What tomllib refuses, pratique must refuse, but for numbers and dates, whose form it does not look into, and what it takes
it must read the same. What tomllib takes, pratique may refuse only where it says so in LEFT_OUT. Without tomllib (Python
3.11) it says so and is passed over (77).
"""
import json
import os
import random
import subprocess
import sys
import time

try:
    import tomllib
except ImportError:
    tomllib = None

# U+0000 cannot stand in a C string.
LEFT_OUT = [r'a = "\u0000"', r'a = "\U00000000"']
CRAFTED = [
    "", "\n", "# only a comment", "a = 1", "a = 'x'\n", "a=\"x\"#c\r\n", "a.b.c = true", "'a b'.\"c\\n\" = false",
    "a = true\na = true", "a = [1, 2,]", "a = [\n 1, # one\n\n 2\n]", "a = [,]", "a = [1 2]", "a = [", "a = {b = 1, c.d = 'x'}",
    "a = {b = 1,}", "a = {}", "a = {b = 1\n}", "[a]\nb = 1\n[a]\nc = 2", "[a]\n[a.b]\n[a]", "[a.b]\n[a]\nc = 1", "[[a]]\n[[a]]\nb = 1",
    "[a]\n[[a]]", "[[a]]\n[a]", "a = []\n[[a]]", "a = {}\n[a.b]", "[a]\nb.c = 1\n[a.b]", "[a]\nb.c = 1\n[a.b.d]\ne = 1",
    "[[a]]\nx = 1\n[[a.b]]\ny = 1\n[[a.b]]\ny = 2\n[[a]]\n[[a.b]]\ny = 3", "[[a.b]]\n[a]\nx = 1", "[a.b.c]\nz = 1\n[a]\nb.c.t = 1",
    "a = 1\n[a]", "a = 1\na.b = 2", "[ a . 'b' ]\nc = 1", "[a\n]", "[[a]\n]", "[]", "[a.]", "a. = 1", "= 1", "a 1", "a =", "a = \n1", "a = b",
    'a = """\nx\n"""', 'a = """x\\\n   \n  y"""', 'a = """a""b"""', 'a = """a"""""', 'a = """a""""""', "a = '''\n'x''y'''", "a = ''''x''''",
    "a = '''x", 'a = "x', "a = 'x\n'", r'a = "\b\t\n\f\r\"\\"', r'a = "\x41"', r'a = "\e"', r'a = "\u00e9\U0001F600"', r'a = "\ud800"',
    r'a = "\u12"', r'a = "\U00110000"', "a = \"x\x01\"", "a = \"x\ty\"", "a = 1 # x\x01", "# x\x7f", "a = 1\rb = 2", "a = 1\r\nb = 2\r\n",
    "a = 1979-05-27 07:32:00", "a = 1979-05-27T07:32:00Z", "a = 07:32:00", "a = +inf", "a = nan", "a = -1.5e+3", "a = 0xff", "a = 1_000",
    "a = true false", "a = 'x' b = 1", "[a] b = 1", "a = TRUE", "\ufeffa = 1", "ä = 1", "'ä' = 1", "a = 'ä'", "-_9 = 1", "1.2 = 3", "a = [[1], ['x', {b = []}]]",
    "a.b = 1\na.c = 2", "a.b = 1\n[a]", "a.b = 1\n[a.c]\nd = 1", "a = {b.c = 1}\n", "a = {b = {}, b.c = 1}", "a = {b.c = 1, b.d = 2}", "a = {b.c = 1}\na.b.d = 2",
    "[a.b]\nx = 1\n[a.c]\nx = 1", "[a]\nx = {y = 1}\n[a.x]", "[[a.b]]\nc = 1\n[a.b.d]\ne = 1\n[[a.b]]\n[a.b.d]", "a = \"\"\"x\r\ny\"\"\"", *LEFT_OUT,
]
PIECES = [
    "a", "b", ".", "'c'", '"d"', " = ", "=", "[", "]", "[[", "]]", "{", "}", ",", "\n", "\n", "\r\n", " ", "\t", "true", "false", "'x'", '"y\\n"',
    "'''", '"""', "#", "\\", "\\\n", "é", '"', "[a]\n", "[[b]]\n", "[b.c]\n", "a = 'x'\n", "b.a = true\n", "c = [", "d = {",
]


def plain(value):
    """As the driver shows it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, bool)) else "other"


def without_others(value):
    if isinstance(value, dict):
        return "other" if list(value) == ["other"] and not isinstance(value["other"], (dict, list, bool)) else {
            key: without_others(inner) for key, inner in value.items()}
    return [without_others(inner) for inner in value] if isinstance(value, list) else value


def theirs(text):
    try:
        return plain(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def ours(driver, text):
    done = subprocess.run([driver], input=text.encode(), capture_output=True, check=True)
    return None if done.stdout == b"error\n" else without_others(json.loads(done.stdout))


def documents(count, rng):
    yield from CRAFTED
    for _ in range(count):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 14)))


def main():
    if tomllib is None:
        print("tomllib is not there")
        return 77
    driver = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 600
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(os.environ.get("PRATIQUE_SEED", time.time_ns()))
    taken = wrong = 0
    for text in documents(count, random.Random(seed)):
        expected, got = theirs(text), ours(driver, text)
        taken += expected is not None
        if expected != got and not (text in LEFT_OUT and got is None):
            print(f"{text!r}:\n  tomllib   {expected}\n  pratique  {got}")
            wrong += 1
    print(f"seed {seed}: {count + len(CRAFTED)} documents, {taken} of them taken by tomllib, {wrong} read otherwise")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
