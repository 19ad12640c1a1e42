#!/usr/bin/python3
"""Reads random credentials files with botocore and with pratique (profile-driver) and compares.

usage: test_aws_profile_botocore.py DRIVER [COUNT [SEED]]

What pratique takes, botocore must take with the same keys. What botocore takes, pratique may refuse only where the key
is one that no AWS key can be (quotes, blanks, …) or where the profile leads elsewhere. Without botocore it says so and
is passed over (77).
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

try:
    import botocore
    import botocore.configloader
    import botocore.credentials
except ImportError:
    botocore = None

PROFILES = ["default", "ci", "Ci", "a b", "prod"]


def random_line(rng):
    blank = rng.choice(["", "", " ", "\t"])
    roll = rng.random()
    if roll < 0.07:
        return blank + rng.choice(["#", ";"]) + " aws_access_key_id = comment"
    if roll < 0.12:
        return rng.choice(["", "  "])
    if roll < 0.2:
        return f"[{rng.choice(PROFILES)}]" + rng.choice(["", "", "  ", " # x"])
    if roll < 0.24:
        return rng.choice(["s3 =\n  a = b", "oops", "= x", "[x", "[]", "  deeper = 1", "région = é"])
    name = rng.choice(["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "region", "output", "x"])
    if rng.random() < 0.1:
        name = name.upper()
    value = {
        "aws_access_key_id": "AKIA" + "".join(rng.choice("ABCDEFGH234567") for _ in range(16)),
        "aws_secret_access_key": "".join(rng.choice("abcXYZ019+/") for _ in range(40)),
    }.get(name.lower(), "".join(rng.choice("abc019+/=:#; ") for _ in range(rng.randint(0, 12))))
    if rng.random() < 0.05:
        value = rng.choice([f'"{value}"', value + " # note", "", "$KEY", value[:5]])
    indent = rng.choice([" ", "  "]) if rng.random() < 0.04 else ""
    return indent + name + blank + rng.choice("==:") + blank + value


def random_case(rng):
    if rng.random() < 0.5:  # mostly right
        lines = []
        for profile in rng.sample(PROFILES, rng.randint(1, 4)):
            lines.append(f"[{profile}]")
            names = ["aws_access_key_id", "aws_secret_access_key"] + rng.choice([[], ["aws_session_token"], ["region"]])
            rng.shuffle(names)
            for name in names:
                while True:
                    line = random_line(rng)
                    if line.lower().lstrip().startswith(name):
                        break
                lines.append(line)
                if rng.random() < 0.2:
                    lines.append(rng.choice(["", "# comment", "; aws_access_key_id = x", "other = 1"]))
    else:
        lines = [f"[{rng.choice(PROFILES)}]"] + [random_line(rng) for _ in range(rng.randint(0, 9))]
    ending = rng.choice(["\n", "\n", "\r\n"])
    return {"text": ending.join(lines) + rng.choice(["", ending]), "profile": rng.choice(PROFILES[:3])}


def by_botocore(case):
    with tempfile.NamedTemporaryFile() as file:
        file.write(case["text"].encode())
        file.flush()
        provider = botocore.credentials.SharedCredentialProvider(file.name, case["profile"])
        try:
            keys = provider.load()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    if keys is None:
        return "no keys"
    return [keys.access_key, keys.secret_key, keys.token or None]


def is_a_key(value):
    return bool(re.fullmatch(r"[!#%-;=-~][!-~]*", value)) and value[0] not in "\"'$<"


def compare(driver, count, seed):
    rng = random.Random(seed)
    cases = [random_case(rng) for _ in range(count)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    run = subprocess.run([driver], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == count
    both = 0
    for number, (case, ours) in enumerate(zip(cases, answers)):
        theirs = by_botocore(case)
        about = f"seed {seed}, case {number}: {json.dumps(case)}: ours {ours}, botocore {theirs}"
        if isinstance(ours, list):
            assert ours == theirs, about
            both += 1
        elif isinstance(theirs, list):
            # botocore does not look at the keys; it reads "[x" and an empty token in its own way
            doubtful = not is_a_key(theirs[1]) or not re.fullmatch(r"\w{16,128}", theirs[0], re.ASCII)
            token = re.search(r"(?im)^\s*aws_session_token", case["text"])
            assert doubtful or (token and (theirs[2] is None or not is_a_key(theirs[2]))) or "[x" in case["text"], about
    assert both > count / 20, f"only {both} of {count} were taken"
    return both


def test_botocore_agrees():
    import pytest

    driver = os.environ.get("PRATIQUE_AWS_PROFILE_DRIVER")
    if not botocore or not driver:
        pytest.skip("needs python3-botocore and PRATIQUE_AWS_PROFILE_DRIVER")
    compare(driver, 1000, 1)


def main():
    if not botocore:
        print("botocore is not installed (Debian: python3-botocore): not compared")
        return 77
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    both = compare(sys.argv[1], count, seed)
    print(f"{count} random files, {both} with keys: botocore {botocore.__version__} agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
