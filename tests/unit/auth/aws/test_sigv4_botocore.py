#!/usr/bin/python3
"""Signs random requests with botocore and with pratique (sigv4_driver) and compares every step.

usage: test_sigv4_botocore.py DRIVER [COUNT [SEED]]

The same under pytest: PRATIQUE_SIGV4_DRIVER names the driver. Without botocore it says so and is passed over (77).
"""
import datetime
import json
import os
import random
import subprocess
import sys
from urllib.parse import quote

try:
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    botocore = None

SAFE = "-._~"
REGIONS = ["us-east-1", "us-gov-west-1", "cn-north-1", "eu-isoe-west-1", "eusc-de-east-1", "ap-southeast-5"]


def word(rng, alphabet, low, high):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


TEXT = "abcXYZ019-._~ !*'()&=+/%?#@,;:\"<>ሴé\u00e5漢"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def random_path(rng):
    parts = [rng.choice(["", ".", "..", word(rng, TEXT, 1, 9), word(rng, "abc", 1, 4)]) for _ in range(rng.randint(0, 5))]
    return "/" + "/".join(quote(part, safe=SAFE + rng.choice(["", "!*'()"])) for part in parts)


def random_query(rng):
    """Encoded in the canonical way: botocore takes the query of a URL as it stands."""
    pairs = []
    for _ in range(rng.randint(0, 6)):
        key = rng.choice(["a", "A", "b", word(rng, TEXT, 1, 6)])
        pairs.append(quote(key, safe=SAFE) + "=" + quote(word(rng, TEXT, 0, 8), safe=SAFE))
    return "&".join(pairs)


def random_headers(rng, host):
    headers = [["Host", host]]
    if rng.random() < 0.8:
        headers.append(["Content-Type", "application/x-amz-json-1.1"])
        headers.append(["X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"])
    if rng.random() < 0.3:
        headers.append(["User-Agent", "pratique"])
    for _ in range(rng.randint(0, 5)):
        name = rng.choice(["x-amz-meta-", "X-Amz-", "My-", "a"]) + word(rng, "abcXYZ019-", 1, 5)
        headers.append([name, word(rng, "abc XYZ\t019,;:\"=é", 0, 20)])
    return headers


def random_case(rng):
    region, service = rng.choice(REGIONS), rng.choice(["ecr", "ecr-public", "sts", "execute-api"])
    host = f"{service}.{region}.example.com" + rng.choice(["", "", ":8443"])
    when = datetime.datetime(1999, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 2**31))
    return {
        "request": {
            "method": rng.choice(["GET", "POST", "PUT", "HEAD"]),
            "path": random_path(rng),
            "query": random_query(rng),
            "headers": random_headers(rng, host),
            "body": rng.choice(["", "{}", word(rng, TEXT, 1, 300)]),
        },
        "credentials": {
            "access_key_id": "AKIA" + word(rng, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, 16),
            "secret_access_key": word(rng, BASE64, 1, 90),
            "session_token": word(rng, BASE64 + "=", 20, 900) if rng.random() < 0.5 else None,
        },
        "region": region,
        "service": service,
        "date": when.strftime("%Y%m%dT%H%M%SZ"),
        "flags": {
            "normalize_path": True,
            "double_uri_encode": True,
            "add_content_sha256_header": False,
            "sign_session_token": True,
        },
    }


def by_botocore(case):
    when = datetime.datetime.strptime(case["date"], "%Y%m%dT%H%M%SZ")

    class Frozen(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return when

    class FrozenModule:
        datetime = Frozen

    request, keys = case["request"], case["credentials"]
    host = request["headers"][0][1]
    url = f"https://{host}{request['path']}" + (f"?{request['query']}" if request["query"] else "")
    aws = AWSRequest(method=request["method"], url=url, data=request["body"].encode())
    for name, value in request["headers"]:
        aws.headers.add_header(name, value)
    signer = botocore.auth.SigV4Auth(
        Credentials(keys["access_key_id"], keys["secret_access_key"], keys["session_token"]),
        case["service"],
        case["region"],
    )
    steps = {}
    keep = signer.canonical_request
    signer.canonical_request = lambda r: steps.setdefault("canonical_request", keep(r))
    real, botocore.auth.datetime = botocore.auth.datetime, FrozenModule
    try:
        signer.add_auth(aws)
    finally:
        botocore.auth.datetime = real
    steps["authorization"] = aws.headers["Authorization"]
    return steps


def compare(driver, count, seed):
    rng = random.Random(seed)
    cases = [random_case(rng) for _ in range(count)]
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    run = subprocess.run([driver], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == count
    for number, (case, ours) in enumerate(zip(cases, answers)):
        theirs = by_botocore(case)
        about = f"seed {seed}, case {number}: {json.dumps(case)}"
        assert ours["canonical_request"] == theirs["canonical_request"], about
        assert ours["authorization"] == theirs["authorization"], about
    return count


def test_botocore_agrees():
    import pytest

    driver = os.environ.get("PRATIQUE_SIGV4_DRIVER")
    if not botocore or not driver:
        pytest.skip("needs python3-botocore and PRATIQUE_SIGV4_DRIVER")
    compare(driver, 500, 1)


def main():
    if not botocore:
        print("botocore is not installed (Debian: python3-botocore): not compared")
        return 77
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    print(f"{compare(sys.argv[1], count, seed)} random requests: botocore {botocore.__version__} agrees")
    return 0


if __name__ == "__main__":
    sys.exit(main())
