#!/bin/sh
# login_floor.sh ECR_API_CURLRC REGISTRIES_CURLRC: the requests of a login to one ECR and one generic registry, made by
# curl: what the wire alone costs. Secrets come in files, never in arguments.
set -eu
token=$(curl -sS --fail -K "$1" | sed -n 's/.*"authorizationToken" *: *"\([^"]*\)".*/\1/p')
[ -n "$token" ]
{ printf 'header = "Authorization: Basic %s"\n' "$token"; cat "$2"; } | curl -sS --fail -K -
