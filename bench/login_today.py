#!/usr/bin/python3
"""What people do today: logs in to one ECR and one generic registry with the AWS CLI and skopeo. The peer of bench/login.py.

    login_today.py AUTHFILE ECR_HOST REGION GENERIC_HOST GENERIC_CREDS_FILE
"""

import subprocess
import sys


def main(authfile: str, ecr: str, region: str, generic: str, creds_file: str) -> None:
    password = subprocess.run(
        ["/usr/bin/aws", "ecr", "get-login-password", "--region", region], check=True, capture_output=True
    ).stdout
    login = ["skopeo", "login", "--authfile", authfile, "--password-stdin", "--username"]
    subprocess.run([*login, "AWS", ecr], input=password, check=True)
    with open(creds_file, encoding="utf-8") as stream:
        user, _, secret = stream.read().partition(":")
    subprocess.run([*login, user, generic], input=secret.encode(), check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
