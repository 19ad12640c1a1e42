#!/bin/sh
# device_today.sh IOT_URL CERTIFICATE KEY: what devices run today, put together from AWS's own pages ("Authorizing direct
# calls to AWS services using AWS IoT Core credential provider"): curl for the keys, and the AWS CLI for the password.
set -eu
keys=$(curl -sS --fail --cert "$2" --key "$3" -H "x-amzn-iot-thingname: $4" "$1")
field() { printf '%s' "$keys" | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["credentials"][sys.argv[1]])' "$1"; }
AWS_ACCESS_KEY_ID=$(field accessKeyId) AWS_SECRET_ACCESS_KEY=$(field secretAccessKey) AWS_SESSION_TOKEN=$(field sessionToken)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN
# Is the certificate good still? Scripts ask openssl.
openssl x509 -in "$2" -noout -checkend 0 >/dev/null
exec /usr/bin/aws ecr get-login-password --region us-east-2
