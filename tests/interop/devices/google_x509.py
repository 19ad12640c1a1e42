"""Google's own client, google-auth of PyPI, with a device's certificate: workload identity federation over mutual TLS. Wants
the path of an external_account file as its argument; prints {"token"}."""

import json
import sys
from typing import Any

from google.auth.identity_pool import Credentials
from google.auth.transport.requests import Request

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def main(file: str) -> dict[str, Any]:
    credentials = Credentials.from_file(file, scopes=[SCOPE])
    credentials.refresh(Request())
    return {"token": credentials.token}


try:
    print(json.dumps(main(sys.argv[1])))
except Exception as error:  # Whatever it is, it is what the judge says.
    sys.exit(f"{type(error).__name__}: {error}")
