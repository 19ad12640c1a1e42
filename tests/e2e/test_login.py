"""`login` and `logout`: what they write into clients' configurations, and what they leave alone."""

import json
import os
import subprocess
import time

import pytest

from .clients import is_root, path_of

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
HOSTS = [ECR, "acme.azurecr.io", "ghcr.example.com"]
DOCKER_WROTE = '{\n\t"auths": {\n\t\t"quay.io": {\n\t\t\t"auth": "%s"\n\t\t}\n\t},\n\t"psFormat": "table {{.ID}}"\n}'


def login(place, *arguments, env=None, **how):
    return place.run("login", *arguments, env={"PATH": path_of(place), **(env or {})}, **how)


def config(place):
    return place.home / ".docker/config.json"


def binding(place):
    return place.home / ".docker/config.json.pratique"


def write_config(place, text, mode=0o600):
    config(place).parent.mkdir(exist_ok=True)
    config(place).write_text(text)
    config(place).chmod(mode)


def test_a_first_login(workspace):
    result = login(workspace)
    assert json.loads(config(workspace).read_text()) == {"credHelpers": {h: "pratique" for h in HOSTS}}
    assert result.out == (
        f"{ECR}  aws, secret aws_creds\nacme.azurecr.io  azure, secret azprincipal\n"
        f"ghcr.example.com  generic, secret ghcr_creds\n{config(workspace)}  changed\n")
    assert [p.stat().st_mode & 0o777 for p in (config(workspace), binding(workspace))] == [0o600, 0o600]
    assert config(workspace).parent.stat().st_mode & 0o777 == 0o700
    assert workspace.run("logout").out == f"{config(workspace)}  changed\n"
    assert list(config(workspace).parent.iterdir()) == []


def test_no_folder_is_made_for_nothing(workspace):
    deep = workspace.work / "jobs/17/docker"
    deep.parent.parent.mkdir(exist_ok=True)
    result = workspace.run("logout", "--into", "jobs/17/docker", cwd=workspace.work)
    assert (result.out, result.err) == (
        f"{deep}/config.json  unchanged\n", f"pratique: {deep}/config.json is not bound to pratique\n")
    login(workspace, "--into", "jobs/17/docker", "nowhere.example.com", cwd=workspace.work, status=2)
    login(workspace, "--into", "jobs/17/docker", "--dry-run", cwd=workspace.work)
    assert list(deep.parent.parent.iterdir()) == []
    login(workspace, "--into", "jobs/17/docker", "ghcr.example.com", cwd=workspace.work)
    assert json.loads((deep / "config.json").read_text()) == {"credHelpers": {"ghcr.example.com": "pratique"}}


def test_what_is_there_stays(workspace, secret):
    secret("a password in docker's configuration", "cXVheTpmYWtlLXBhc3N3b3JkLW9mLXF1YXk=")
    text = DOCKER_WROTE % "x"
    write_config(workspace, text, 0o640)
    login(workspace)
    assert config(workspace).read_text() == text[:-2] + (
        ',\n\t"credHelpers": {\n\t\t"%s": "pratique",\n\t\t"acme.azurecr.io": "pratique",\n'
        '\t\t"ghcr.example.com": "pratique"\n\t}\n}' % ECR)
    assert config(workspace).stat().st_mode & 0o777 == 0o640
    workspace.run("logout")
    assert config(workspace).read_text() == text
    assert not binding(workspace).exists()


def test_logging_in_again_changes_nothing(workspace):
    login(workspace)
    before = [(p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_ino) for p in (config(workspace), binding(workspace))]
    assert login(workspace).out.endswith(f"{config(workspace)}  unchanged\n")
    assert before == [(p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_ino) for p in (config(workspace), binding(workspace))]


def test_logout_gives_back_what_login_took(workspace):
    write_config(workspace, '{"credHelpers": {"ghcr.example.com": "ecr-login", "gcr.io": "gcr"}}')
    login(workspace)
    login(workspace)
    workspace.run("logout", "acme.azurecr.io")
    assert json.loads(config(workspace).read_text())["credHelpers"] == {
        "ghcr.example.com": "pratique", "gcr.io": "gcr", ECR: "pratique"}
    # What somebody else has set since is not ours any more.
    config(workspace).write_text(config(workspace).read_text().replace(f'"{ECR}": "pratique"', f'"{ECR}": "other"'))
    workspace.run("logout")
    assert json.loads(config(workspace).read_text())["credHelpers"] == {
        "ghcr.example.com": "ecr-login", "gcr.io": "gcr", ECR: "other"}
    assert not binding(workspace).exists()
    assert "is not bound to pratique" in workspace.run("logout").err


def test_named_hosts(workspace):
    login(workspace, "GHCR.example.com:443")
    assert list(json.loads(config(workspace).read_text())["credHelpers"]) == ["ghcr.example.com"]
    login(workspace, "hub.example.com")
    assert list(json.loads(config(workspace).read_text())["credHelpers"]) == ["ghcr.example.com", "hub.example.com"]
    before = config(workspace).read_bytes()
    result = login(workspace, "quay.io", "https://ghcr.example.com/x", status=2)
    assert "pratique: quay.io: the configuration has no entry for this registry" in result.err
    assert "write ghcr.example.com" in result.err
    assert config(workspace).read_bytes() == before
    assert "quay.io was not bound there" in workspace.run("logout", "quay.io").err


def test_a_dry_run_shows_the_change_and_makes_none(workspace, secret):
    password = "ZmFrZTpwYXNzd29yZC1pbi1jb25maWc="
    secret("the password beside the change", password)
    # On one line, so that a diff of lines would show it.
    (workspace.root / "given-secrets").mkdir()
    own = workspace.root / "given-secrets"
    (own / "config.json").write_text('{"auths":{"quay.io":{"auth":"%s"}},"credHelpers":{"ghcr.example.com":"x"}}' % password)
    before = {p: p.read_bytes() for p in own.iterdir()}
    result = login(workspace, "--dry-run", "--into", own)
    assert result.out.split("\n", 3)[3] == (
        f"--- {own}/config.json\n+++ {own}/config.json\n@@ credHelpers @@\n"
        f'+    "{ECR}": "pratique"\n+    "acme.azurecr.io": "pratique"\n'
        '-    "ghcr.example.com": "x"\n+    "ghcr.example.com": "pratique"\n')
    assert before == {p: p.read_bytes() for p in own.iterdir()}
    login(workspace, "--dry-run")
    assert not config(workspace).parent.exists()


def test_a_folder_for_each_job(workspace):
    jobs = [workspace.work / "one", workspace.work / "two"]
    for job in jobs:
        assert f"export DOCKER_CONFIG={job}" in login(workspace, "--into", job).err
    workspace.run("logout", "--into", jobs[0])
    assert list(jobs[0].iterdir()) == []
    assert sorted(p.name for p in jobs[1].iterdir()) == ["config.json", "config.json.pratique"]
    assert not config(workspace).parent.exists()
    assert f"export REGISTRY_AUTH_FILE={jobs[0]}/auth.json" in login(workspace, "--client", "podman", "--into", jobs[0]).err
    assert sorted(p.name for p in jobs[0].iterdir()) == ["auth.json", "auth.json.pratique"]


@pytest.mark.parametrize(("env", "where"), [
    ({}, "{root}/run/containers/auth.json"),
    ({"REGISTRY_AUTH_FILE": "{root}/own.json"}, "{root}/own.json"),
])
def test_podmans_place(workspace, env, where):
    env = {n: v.format(root=workspace.root) for n, v in env.items()}
    login(workspace, "--client", "podman", env=env)
    path = where.format(root=workspace.root)
    assert json.loads(open(path).read())["credHelpers"]["ghcr.example.com"] == "pratique"
    workspace.run("logout", "--client", "podman", env=env)
    assert not os.path.exists(path)


def test_invalid_json_is_told_and_left(workspace):
    text = '{\n\t"auths": {},\n}\n'
    write_config(workspace, text)
    result = login(workspace, status=2)
    assert f"pratique: {config(workspace)}:3:1: is not JSON (correct the file; nothing was changed)" in result.err
    assert config(workspace).read_text() == text and not binding(workspace).exists()


def test_a_link_stays_a_link(workspace):
    real = workspace.home / "dotfiles/docker.json"
    real.parent.mkdir()
    real.write_text("{}")
    config(workspace).parent.mkdir()
    config(workspace).symlink_to(real)
    login(workspace)
    assert config(workspace).is_symlink() and "credHelpers" in real.read_text()


def test_what_killed_logins_left_goes(workspace):
    """Copies of the client's configuration, with the passwords that lie in it."""
    folder = workspace.home / ".docker"
    folder.mkdir()
    left = {".config.json.pq-Ab12Cd": True, ".config.json.pratique.pq-Ab12Cd": True, ".config.json.pq-Ab12C": False,
            ".config.json.pq-Ab12Cde": False, "config.json.pq-Ab12Cd": False, ".config.json.backup": False,
            ".auth.json.pq-Ab12Cd": False}
    for name in left:
        (folder / name).write_text("{}")
        os.utime(folder / name, (time.time() - 3600,) * 2)
    (folder / ".config.json.pq-Ef34Gh").write_text("{}")  # of somebody who is at work
    workspace.run("login", env={"PATH": path_of(workspace)})
    names = {path.name for path in folder.iterdir()}
    assert {name for name in left if name not in names} == {name for name, goes in left.items() if goes}
    assert ".config.json.pq-Ef34Gh" in names


def test_a_killed_login_leaves_nothing_under_another_name(workspace):
    """What it wrote before it was put in place is what the next one removes: the names agree."""
    if "ASAN" in os.environ.get("PRATIQUE_BIN_DIR", "").upper():
        pytest.skip("a sanitizer wants to be first itself")
    ends = workspace.root / "ends"
    ends.with_suffix(".c").write_text("#include <unistd.h>\nint rename(const char *a, const char *b) { (void)a; (void)b; _exit(9); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", ends, ends.with_suffix(".c")], check=True)
    write_config(workspace, DOCKER_WROTE % "x")
    for action in ("login", "logout"):
        for _ in range(2):
            workspace.run(action, status=9, env={"PATH": path_of(workspace), "LD_PRELOAD": str(ends)})
        assert len(list(config(workspace).parent.iterdir())) > 2
        login(workspace)
    for path in config(workspace).parent.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)
    login(workspace)
    assert {path.name for path in config(workspace).parent.iterdir()} == {"config.json", "config.json.pratique"}


def test_many_jobs_at_once(workspace):
    write_config(workspace, '{"n": 1}')
    jobs = []
    for number in range(12):
        arguments = ["logout", "acme.azurecr.io"] if number % 3 == 2 else ["login", HOSTS[number % 3]]
        jobs.append(subprocess.Popen(
            [workspace.programs / "pratique", *arguments], cwd=workspace.work, env={**workspace.env, "PATH": path_of(workspace)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    for job in jobs:
        out, err = job.communicate(timeout=60)
        assert job.returncode == 0, (out + err).decode()
    document = json.loads(config(workspace).read_text())
    assert document["n"] == 1 and document["credHelpers"][ECR] == "pratique"
    assert sorted(p.name for p in config(workspace).parent.iterdir()) == ["config.json", "config.json.pratique"]


def test_what_is_wrong_is_said_before_anything_is_written(workspace):
    workspace.run("secrets", "update", "ghcr_creds=")
    assert "there is no secret named ghcr_creds" in login(workspace, status=2).err
    assert not config(workspace).parent.exists()
    # Only what is logged in to has to be right.
    login(workspace, "acme.azurecr.io")
    assert "--client is docker or podman, not nerdctl" in login(workspace, "--client", "nerdctl", status=2).err


def test_a_configuration_that_others_may_write_is_refused(workspace):
    file = workspace.work / "factory-config.yml"
    file.chmod(0o666)
    result = login(workspace, status=1)
    assert f"{file}: can be written by other users (mode 0666) (chmod go-w {file})" in result.err
    file.chmod(0o644)
    if is_root():
        os.chown(file, 12345, 12345)
        assert "belongs to user 12345" in login(workspace, "--config", file, status=1).err
    assert not config(workspace).parent.exists()


def test_the_helper_must_be_in_path(workspace):
    result = workspace.run("login")
    assert f"warning: docker-credential-pratique is not in PATH, so that no client will find it (put {workspace.programs} into PATH" in result.err
    assert "warning" not in login(workspace).err
    other = workspace.root / "other"
    other.mkdir()
    (other / "docker-credential-pratique").write_text("#!/bin/sh\n")
    (other / "docker-credential-pratique").chmod(0o755)
    assert "is another docker-credential-pratique" in login(workspace, env={"PATH": f"{other}:/usr/bin"}).err


def test_a_password_that_lies_in_the_file_is_told(workspace):
    write_config(workspace, '{"auths": {"ghcr.example.com": {"auth": "eDp5"}}}')
    assert ("still holds a password for ghcr.example.com, which is not used any more "
            "(`docker logout ghcr.example.com` takes it away)\n") in login(workspace).err


def test_without_a_folder_in_memory_it_says_so(workspace):
    result = login(workspace, env={"PRATIQUE_RUNTIME_DIR": str(workspace.root)})
    assert "warning: there is no folder in memory for tokens" in result.err and "PRATIQUE_RUNTIME_DIR" in result.err
    assert "cache" not in binding(workspace).read_text()


def test_json(workspace):
    document = login(workspace, "--json").json()
    assert document["client"] == "docker" and document["file"] == str(config(workspace)) and document["errors"] == []
    assert [r["registry"] for r in document["registries"]] == HOSTS
    assert document["registries"][0] == {"registry": ECR, "access": "aws", "user": "AWS"}


HUB = "container_registries:\n- {type: generic, url: docker.io, generic_secret_name: ghcr_creds}\n"


def test_docker_hub_has_docker_s_own_key(workspace):
    workspace.write({"factory-config.yml": HUB})
    login(workspace)
    assert set(json.loads(config(workspace).read_text())["credHelpers"]) == {"docker.io", "https://index.docker.io/v1/"}
    login(workspace, "--client", "podman", "--into", workspace.work / "podman")
    assert set(json.loads((workspace.work / "podman/auth.json").read_text())["credHelpers"]) == {"docker.io"}
    workspace.run("logout")
    assert not config(workspace).exists()
