"""Judges IAM policies with moto's evaluator and parliament's rules. Standard input: {"policies": [document, …], "asks":
[[action, resource], …]}. Standard output: {"allowed": [true, …], "findings": ["…", …]}."""

import json
import sys

from moto.iam.access_control import IAMPolicy, PermissionResult
from parliament import analyze_policy_string, enhance_finding

given = json.load(sys.stdin)
texts = [json.dumps(policy) for policy in given["policies"]]
allowed = []
for action, resource in given["asks"]:
    results = {IAMPolicy(text).is_action_permitted(action, resource) for text in texts}
    allowed.append(PermissionResult.PERMITTED in results and PermissionResult.DENIED not in results)
findings = []
for text in texts:
    for finding in analyze_policy_string(text).findings:
        told = enhance_finding(finding)
        findings.append(f"{told.severity} {told.issue}: {told.detail}")
json.dump({"allowed": allowed, "findings": findings}, sys.stdout)
