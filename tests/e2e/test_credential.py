"""The credential helper: docker's protocol, the binding that it keeps to, the cache, and what others put in its way."""

import concurrent.futures
import json
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest
import yaml

from .clients import HELPER, NOT_FOUND, calls, entries, get, helper, is_root, path_of, runtime
from .conftest import CONFIGURATION, ROOT

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
ENTRY = "- {{type: generic, url: {}, generic_secret_name: ghcr_creds}}\n"


@pytest.fixture
def bound(workspace):
    workspace.run("login", env={"PATH": path_of(workspace)})
    return workspace


def binding(place):
    return place.home / ".docker/config.json.pratique"


def generic(lab):
    return lab.credentials.generic.user, lab.credentials.generic.password


# The protocol.


def test_each_kind(bound, lab):
    assert get(bound, "ghcr.example.com") == generic(lab)
    assert get(bound, "acme.azurecr.io") == (lab.credentials.azure_pull.user, lab.credentials.azure_pull.password)
    user, password = get(bound, ECR)
    assert user == "AWS" and password in lab.secret_values()


def test_server_urls(bound, lab):
    for url in ("https://ghcr.example.com", "https://ghcr.example.com/v2/", "GHCR.example.com:443", "  ghcr.example.com\r"):
        assert get(bound, url) == generic(lab)
    # The answer names what was asked, from the program and from the cache.
    for url in ("https://ghcr.example.com/v2/", f"https://{ECR}/v2/", f"https://{ECR}"):
        assert json.loads(helper(bound, "get", url)[1])["ServerURL"] == url
    assert helper(bound, "get", "")[:2] == (1, "no credentials server URL\n")


@pytest.mark.parametrize("host", ["quay.io", "hub.example.com", "ghcr.example.com:5000", "x" * 5000, "ghcr.example.com.evil.example"])
def test_without_an_entry_the_client_goes_on(bound, lab, host):
    lab.clear_log()
    assert get(bound, host) == NOT_FOUND
    assert lab.requests() == []


@pytest.mark.parametrize("url", [
    "quay.io/x://ghcr.example.com", "ghcr.example.com quay.io", "quay.io\nghcr.example.com", "ghcr.example.com\nquay.io",
    "ghcr.example.com\0", "ghcr.example.com\0quay.io", "https://ghcr.example.com\0@quay.io/", "https://me@ghcr.example.com",
    "https://ghcr.example.com?@quay.io", "https://ghcr.example.com\\@quay.io"])
def test_what_two_readers_could_take_for_two_hosts_gets_nothing(bound, lab, url):
    """A client that means one host must not be given what is another's."""
    for answer in (helper(bound, "get", url), helper(bound, "get", url + "\n")):
        assert answer[:2] == (1, NOT_FOUND)
    direct = bound.run("credential", "get", input=url, status=1)
    assert direct.out == "pratique: no credentials server URL\n" or direct.out == NOT_FOUND


def test_it_leaves_no_core(bound):
    """What holds an answer is like a secret's own program: no crash writes it anywhere."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if most == 0:
        pytest.skip("nothing writes cores here")
    child = subprocess.Popen(
        [bound.programs / HELPER, "get"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**bound.env, "PATH": path_of(bound)}, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most)))
    try:
        end = time.monotonic() + 10
        while resource.prlimit(child.pid, resource.RLIMIT_CORE) != (0, 0):
            assert time.monotonic() < end, "a core may be written"
            time.sleep(0.01)
    finally:
        child.kill()
        child.communicate()


def test_without_a_binding_there_is_nothing(workspace, lab):
    lab.clear_log()
    for host in (ECR, "ghcr.example.com"):
        assert get(workspace, host) == NOT_FOUND
    assert helper(workspace, "list")[:2] == (0, "{}\n")
    assert helper(workspace, "erase", "ghcr.example.com")[0] == 0
    assert lab.requests() == []


def test_a_reason_is_no_missing_entry(bound, lab):
    lab.deny_action("ecr:GetAuthorizationToken")
    reason = get(bound, ECR)
    assert reason.startswith(f"pratique: {ECR}: secret aws_creds, profile default: ") and "AccessDeniedException" in reason
    bound.run("secrets", "update", "ghcr_creds=")
    assert "there is no secret named ghcr_creds" in get(bound, "ghcr.example.com")


def test_list(bound, lab):
    users = {ECR: "AWS", "acme.azurecr.io": lab.credentials.azure_pull.user, "ghcr.example.com": lab.credentials.generic.user}
    assert json.loads(helper(bound, "list")[1]) == users
    assert json.loads(bound.run("credential", "list").out) == users


def test_store_of_what_we_gave_is_silent(bound):
    for host in (ECR, "ghcr.example.com"):
        status, answer, _ = helper(bound, "get", host)
        assert status == 0
        assert helper(bound, "store", answer) == (0, "", "")


def test_store_of_something_else_is_accepted_and_told(bound, lab, secret):
    secret("what was typed", "typed-by-hand-0123456789")
    offered = json.dumps({"ServerURL": "https://ghcr.example.com", "Username": "me", "Secret": "typed-by-hand-0123456789"})
    status, out, err = helper(bound, "store", offered)
    assert (status, out) == (0, "")
    assert "warning: what was typed is not kept: pratique serves this registry" in err
    assert "pratique secrets update ghcr_creds=-" in err and "pratique logout ghcr.example.com" in err
    assert get(bound, "ghcr.example.com") == generic(lab)


def test_store_for_an_unknown_host_is_refused(bound, workspace, secret):
    secret("what was typed", "typed-by-hand-0123456789")
    offered = json.dumps({"ServerURL": "quay.io", "Username": "me", "Secret": "typed-by-hand-0123456789"})
    status, out, _ = helper(bound, "store", offered)
    assert status == 1 and "nothing was stored: the registry is not bound" in out and "not implemented" not in out
    assert "is no credential" in helper(bound, "store", "{}")[1]
    workspace.run("logout")
    assert "nothing was stored" in helper(workspace, "store", offered)[1]


def test_erase_forgets_the_token(bound, lab):
    get(bound, ECR)
    assert entries(bound)
    status, out, err = helper(bound, "erase", ECR)
    assert (status, out) == (0, "") and f"`pratique logout {ECR}` ends that" in err
    assert entries(bound) == []
    get(bound, ECR)
    assert calls(lab) == 2


def test_version_and_usage(bound):
    assert helper(bound, "version")[1] == f"docker-credential-pratique {bound.run('version').out.split()[1]}\n"
    assert helper(bound, "gett")[0] == 1


def test_with_a_configuration_of_its_own(workspace, lab):
    done = subprocess.run([workspace.programs / "pratique", "--config", "factory-config.yml", "credential", "get"],
                          input=b"ghcr.example.com\n", capture_output=True, check=True, cwd=workspace.work, env=workspace.env)
    assert json.loads(done.stdout)["Username"] == generic(lab)[0]
    result = workspace.run("--config", "factory-config.yml", "credential", "get", input="quay.io\n", status=1)
    assert result.out == NOT_FOUND


# Bound, not searching.


def test_a_hostile_repository_as_working_directory(bound, lab, session):
    hostile = bound.work / "hostile"
    hostile.mkdir()
    (hostile / ".git").mkdir()
    (hostile / "factory-config.yml").write_text("container_registries:\n" + ENTRY.format("evil.example.com") + ENTRY.format("ghcr.example.com").replace("ghcr_creds", "hub_creds"))
    (hostile / "config.json.pratique").write_bytes(binding(bound).read_bytes())
    lab.clear_log()
    assert get(bound, "evil.example.com", cwd=hostile) == NOT_FOUND
    assert get(bound, "ghcr.example.com", cwd=hostile) == generic(lab)
    assert lab.requests() == []


def test_two_pipelines_with_one_home(workspace, lab):
    other = CONFIGURATION.format(**lab.hosts, factory="x").replace("ghcr_creds", "hub_creds").replace(
        "aws_creds_secret_name: aws_creds", "aws_creds_secret_name: aws_creds\n  profile: ci")
    workspace.write({"other.yml": other})
    jobs = {name: workspace.work / name for name in ("one", "two")}
    for name, file in (("one", "factory-config.yml"), ("two", "other.yml")):
        workspace.run("--config", file, "login", "--into", jobs[name], env={"PATH": path_of(workspace)})
    one, two = ({"DOCKER_CONFIG": str(jobs[name])} for name in ("one", "two"))
    assert get(workspace, "ghcr.example.com", env=one) == generic(lab)
    assert get(workspace, "ghcr.example.com", env=two) == (lab.credentials.hub.user, lab.credentials.hub.password)
    first, second = get(workspace, ECR, env=one), get(workspace, ECR, env=two)
    assert first != second and calls(lab) == 2
    assert (get(workspace, ECR, env=one), get(workspace, ECR, env=two)) == (first, second) and calls(lab) == 2
    # One job's logout breaks no other's pull.
    workspace.run("logout", "--into", jobs["one"])
    assert get(workspace, ECR, env=one) == NOT_FOUND
    assert get(workspace, ECR, env=two) == second


def test_hostile_path_and_preload(bound, lab):
    evil = bound.root / "evil"
    evil.mkdir()
    for name in ("pratique", HELPER, "sh"):
        (evil / name).write_text(f"#!/bin/sh\ntouch {evil}/was-run\n")
        (evil / name).chmod(0o755)
    (evil / "x.c").write_text('#include <stdio.h>\n#include <unistd.h>\n#include <stdlib.h>\n'
                              '__attribute__((constructor)) static void in(void) { char t[4096]; int n = readlink("/proc/self/exe", t, 4000);'
                              f' if (n > 0) {{ t[n] = 0; FILE *f = fopen("{evil}/loaded", "a"); fputs(t, f); fputc(10, f); fclose(f); }} }}\n')
    subprocess.run(["cc", "-shared", "-fPIC", "-o", evil / "x.so", evil / "x.c"], check=True)
    env = {"PATH": str(evil), "LD_PRELOAD": str(evil / "x.so"), "LD_LIBRARY_PATH": str(evil),
           "OPENSSL_CONF": str(evil / "x.cnf"), "PRATIQUE_CONFIG": str(evil / "x.yml"),
           "PRATIQUE_SECRETS_DIR": str(evil), "PRATIQUE_STORE": str(evil / "x.db"), "PRATIQUE_STORE_KEY_FILE": str(evil / "key")}
    if "ASAN" in os.environ.get("PRATIQUE_BIN_DIR", "").upper():
        env["LD_PRELOAD"] = None  # a sanitizer wants to be first itself
    assert get(bound, "ghcr.example.com", env=env) == generic(lab)
    assert get(bound, ECR, env=env)[0] == "AWS"
    assert not (evil / "was-run").exists()
    if env["LD_PRELOAD"]:
        # The helper itself, which the caller started so; never the program that it becomes.
        assert set((evil / "loaded").read_text().split()) == {str(bound.programs / HELPER)}


def test_variables_that_the_identity_needs_go_on(bound, lab):
    """The endpoint of the ECR API decides where the request goes."""
    reason = get(bound, ECR, env={"AWS_ENDPOINT_URL_ECR": "http://127.0.0.1:9"})
    assert "127.0.0.1" in reason or "connect" in reason.lower()


def test_a_variable_of_the_identity_decides_nothing_about_code(bound):
    """`oidc_token_env` may name any variable: as one that chooses programs and libraries it does not go on."""
    program, told = bound.root / "told.sh", bound.root / "told"
    program.write_text(f"#!/bin/sh\n/usr/bin/env > {told}\n")
    program.chmod(0o755)
    names = ["PATH", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "GCONV_PATH", "GLIBC_TUNABLES", "PKCS11_MODULE_PATH"]
    lines = [f"program {program}" if line.startswith("program ") else line for line in binding(bound).read_text().splitlines()]
    lines[-1:] = [f"environment {name}" for name in [*names, "CI_TOKEN"]] + ["end"]
    binding(bound).write_text("\n".join(lines) + "\n")
    env = {name: "/evil" for name in names} | {"CI_TOKEN": "e30.e30.e30"}
    assert helper(bound, "get", "ghcr.example.com", env=env)[0] == 0
    got = dict(line.split("=", 1) for line in told.read_text().splitlines())
    assert got["CI_TOKEN"] == "e30.e30.e30" and "/evil" not in got.values()


def as_other(path):
    os.chown(path, 12345, 12345, follow_symlinks=False)


@pytest.mark.skipif(not is_root(), reason="gives files to another user")
@pytest.mark.parametrize("what", ["binding", "config", "program", "folder"])
def test_files_of_another_user(bound, lab, what):
    programs = bound.root / "programs"
    shutil.copytree(bound.programs, programs)
    bound.program(programs / "pratique", "login", env={"PATH": path_of(bound)})
    path = {"binding": binding(bound), "config": bound.work / "factory-config.yml", "program": programs / "pratique",
            "folder": binding(bound).parent}[what]
    assert get(bound, "ghcr.example.com") == generic(lab)
    as_other(path)
    lab.clear_log()
    reason = get(bound, "ghcr.example.com")
    assert reason.startswith(f"pratique: {path}: belongs to user 12345, neither to the user who runs this (0) nor to root")
    assert lab.requests() == []


@pytest.mark.parametrize("what", ["binding", "config", "program"])
def test_files_that_others_may_write(bound, lab, what):
    programs = bound.root / "programs"
    shutil.copytree(bound.programs, programs)
    bound.program(programs / "pratique", "login", env={"PATH": path_of(bound)})
    path = {"binding": binding(bound), "config": bound.work / "factory-config.yml", "program": programs / "pratique"}[what]
    path.chmod(path.stat().st_mode | 0o020)
    assert f"pratique: {path}: can be written by other users" in get(bound, "ghcr.example.com")
    path.chmod(path.stat().st_mode & ~0o020)
    path.parent.chmod(0o777)
    try:
        assert f"pratique: {path.parent}: can be written by other users (mode 0777)" in get(bound, "ghcr.example.com")
    finally:
        path.parent.chmod(0o755)
    assert get(bound, "ghcr.example.com") == generic(lab)


def test_a_binding_that_is_a_link(bound):
    binding(bound).rename(bound.root / "elsewhere")
    binding(bound).symlink_to(bound.root / "elsewhere")
    assert "is a symbolic link, which a binding may not be" in get(bound, "ghcr.example.com")


@pytest.mark.parametrize("text", ["", "pratique binding 2\nend\n", "pratique binding 1\nhost a\n", "\0", "{}"])
def test_a_binding_that_is_none(bound, text):
    binding(bound).write_text(text)
    assert "is not a binding of this version of pratique (remove it and run `pratique login` again)" in get(bound, "ghcr.example.com")


# The cache.


def test_one_call_for_many_gets(bound, lab):
    first = get(bound, ECR)
    assert [get(bound, ECR) for _ in range(5)] == [first] * 5
    assert calls(lab) == 1
    # Other commands use the same token.
    bound.write({"x/Dockerfile": f"FROM {ECR}/base:1.2\n"}, "containers")
    bound.run("check", "containers", status=None)
    assert calls(lab) == 1


def test_a_cached_answer_needs_neither_network_nor_program(bound, lab):
    first = get(bound, ECR)
    text = binding(bound).read_text()
    assert get(bound, ECR, env={"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}) == first
    # Not even the secret's key: what the answer was made from is compared, not read.
    assert "program" in text and first[0] == "AWS"


def test_a_hundred_at_once_make_one_call(bound, lab):
    lab.stall(lab.hosts["ecr_api"], seconds=0.5)
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = set(pool.map(lambda _: get(bound, ECR), range(100)))
    assert len(answers) == 1 and next(iter(answers))[0] == "AWS"
    assert calls(lab) == 1


def test_a_hundred_at_once_hear_of_one_refusal(bound, lab):
    lab.deny_action("ecr:GetAuthorizationToken")
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = set(pool.map(lambda _: get(bound, ECR), range(100)))
    assert len(answers) == 1 and "AccessDeniedException" in next(iter(answers)), answers
    assert calls(lab) == 1
    lab.allow_actions()
    # The helper is told for a minute what was; a person who mends it is not.
    assert "AccessDeniedException" in get(bound, ECR) and calls(lab) == 1
    bound.write({"x/Dockerfile": f"FROM {ECR}/base:1.2\n"}, "containers")
    assert f"ok          {ECR}  aws" in bound.run("check", "containers", status=None).out


def touch_config(place):
    file = place.work / "factory-config.yml"
    file.write_text(file.read_text() + "# changed\n")


def change_secret(place):
    place.run("secrets", "update", "other=value-of-no-matter")


def login_again(place):
    place.run("login", "hub.example.com", env={"PATH": path_of(place)})


def put_in_front(place):
    folder = place.root / "given-secrets"
    shutil.copy(folder / "real", folder / "aws_creds")


@pytest.mark.parametrize("change", [touch_config, change_secret, login_again])
def test_a_change_of_what_it_was_made_from_is_a_miss(bound, lab, change):
    get(bound, ECR)
    answer = next(p for p in runtime(bound).iterdir() if p.suffix == ".answer")
    before = answer.stat().st_ino
    get(bound, ECR)
    assert answer.stat().st_ino == before
    change(bound)
    # The program was asked, and found its own entry of the same identity good.
    get(bound, ECR)
    assert answer.stat().st_ino != before and calls(lab) == 1


def test_another_secret_is_another_identity(bound, lab):
    first = get(bound, ECR)
    key = lab.credentials.aws_ci
    bound.run("secrets", "update", f"aws_creds=[default]\naws_access_key_id={key.key_id}\naws_secret_access_key={key.secret}\n")
    assert get(bound, ECR) != first and calls(lab) == 2


def test_a_secret_that_appears_before_another_wins(workspace, lab):
    folder = workspace.root / "given-secrets"
    folder.mkdir()
    key = lab.credentials.aws_ci
    (folder / "real").write_text(f"[default]\naws_access_key_id={key.key_id}\naws_secret_access_key={key.secret}\n")
    workspace.run("--secrets", folder, "login", env={"PATH": path_of(workspace)})
    first = get(workspace, ECR)
    put_in_front(workspace)
    assert get(workspace, ECR) != first and calls(lab) == 2


def rewrite(place, suffix, change):
    for path in runtime(place).iterdir():
        if path.suffix in suffix:
            data = change(path.read_bytes())
            path.unlink()
            path.write_bytes(data)
            path.chmod(0o600)


def with_times(data, refresh, expires):
    now = int(time.time())
    lines = data.split(b"\n")
    for name, value in ((b"refresh", now + refresh), (b"expires", now + expires)):
        at = next(i for i, line in enumerate(lines) if line.startswith(name + b" "))
        lines[at:at + 2] = [name + b" %d" % len(str(value)), b"%d" % value]
    return b"\n".join(lines)


def test_an_expired_token_is_never_given(bound, lab):
    first = get(bound, ECR)
    rewrite(bound, (".answer", ".token"), lambda data: with_times(data, -10, -1))
    lab.unavailable(lab.hosts["ecr_api"], count=9)
    assert get(bound, ECR).startswith("pratique: ")
    lab.clear_faults()
    time.sleep(0)
    bound.run("credential", "erase", input=ECR)
    assert get(bound, ECR) != first


def test_an_aged_token_is_renewed_ahead(bound, lab):
    first = get(bound, ECR)
    rewrite(bound, (".answer", ".token"), lambda data: with_times(data, -10, 3600))
    second = get(bound, ECR)
    assert second != first and calls(lab) == 2
    # And used, as long as it is good, when the cloud cannot be asked: the next minute nobody tries again.
    rewrite(bound, (".answer", ".token"), lambda data: with_times(data, -10, 3600))
    lab.unavailable(lab.hosts["ecr_api"], count=9)
    assert get(bound, ECR) == second
    tries = calls(lab)
    assert get(bound, ECR) == second and calls(lab) == tries


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:40], lambda data: data[:-2], lambda data: data.replace(b"token 1", b"token 2", 1),
    lambda data: data + b"x", lambda data: b"\0" * 300, lambda data: b"x" * (1 << 20)],
    ids=["empty", "truncated", "cut", "newer", "longer", "zeros", "huge"])
def test_a_damaged_entry_is_none(bound, lab, damage):
    get(bound, ECR)
    rewrite(bound, (".answer", ".token"), damage)
    assert get(bound, ECR)[0] == "AWS" and calls(lab) == 2
    assert get(bound, ECR)[0] == "AWS" and calls(lab) == 2


def hostile_entries(place, lab, change):
    get(place, ECR)
    for path in list(runtime(place).iterdir()):
        if path.suffix in (".answer", ".token"):
            # What would be given, if it were taken.
            path.write_bytes(path.read_bytes().replace(b"user 3\nAWS", b"user 3\nBAD"))
            change(path)


def make_link(path):
    path.rename(path.with_suffix(".aside"))
    path.symlink_to(path.with_suffix(".aside"))


@pytest.mark.parametrize("change", [
    make_link, lambda path: path.chmod(0o640),
    pytest.param(as_other, marks=pytest.mark.skipif(not is_root(), reason="gives files to another user")),
    lambda path: (path.unlink(), path.mkdir()), lambda path: (path.unlink(), os.mkfifo(path, 0o600))],
    ids=["link", "mode", "owner", "folder", "fifo"])
def test_an_entry_that_is_not_ours_alone_is_none(bound, lab, change):
    hostile_entries(bound, lab, change)
    assert get(bound, ECR)[0] == "AWS"


@pytest.mark.parametrize("spoil", [
    lambda folder: folder.chmod(0o755),
    pytest.param(as_other, marks=pytest.mark.skipif(not is_root(), reason="gives files to another user")),
    make_link, shutil.rmtree], ids=["mode", "owner", "link", "gone"])
def test_a_runtime_folder_that_is_not_good_is_none(bound, lab, spoil):
    hostile_entries(bound, lab, lambda path: None)
    folder = runtime(bound)
    spoil(folder)
    try:
        assert get(bound, ECR)[0] == "AWS"
        assert get(bound, ECR)[0] == "AWS"
    finally:
        aside = folder.with_suffix(".aside")
        if aside.exists():
            folder.unlink()
            aside.rename(folder)
        elif folder.exists():
            os.chown(folder, os.getuid(), os.getgid())
            folder.chmod(0o700)


@pytest.mark.skipif(not is_root(), reason="mounts")
@pytest.mark.parametrize("options", ["size=4k,nr_inodes=8", "ro,mode=0700"])
def test_a_full_or_read_only_runtime_folder(bound, lab, options):
    folder = bound.root / "memory"
    folder.mkdir(mode=0o700)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "pratique-test", folder], capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts nothing")
    try:
        if "size" in options:
            (folder / "filler").write_bytes(b"x" * 4096)
        env = {"PRATIQUE_RUNTIME_DIR": str(folder), "PATH": path_of(bound)}
        bound.run("login", env=env)
        for number in (1, 2):
            assert get(bound, ECR, env=env)[0] == "AWS" and calls(lab) == number
        assert [p.name for p in folder.iterdir() if p.suffix in (".token", ".answer")] == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_without_a_runtime_folder(bound, lab):
    env = {"PRATIQUE_RUNTIME_DIR": str(bound.root), "PATH": path_of(bound)}
    bound.run("login", env=env)
    assert get(bound, ECR, env=env)[0] == "AWS" and get(bound, ECR, env=env)[0] == "AWS"
    assert calls(lab) == 2


def test_killed_at_any_instant_it_is_whole(bound, lab):
    """Neither half an entry nor a lock that nobody holds is left behind."""
    environment = {**bound.env, "PATH": path_of(bound)}
    for turn in range(20):
        child = subprocess.Popen([bound.programs / HELPER, "get"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, env=environment, cwd=bound.work)
        child.stdin.write(ECR.encode())
        child.stdin.close()
        time.sleep(turn * 0.002)
        child.send_signal(signal.SIGKILL)
        child.wait(20)
        for path in runtime(bound).iterdir():
            if path.suffix in (".token", ".answer"):
                assert path.read_bytes().endswith(b"\nend 0\n\n")
        if turn % 4 == 3:
            helper(bound, "erase", ECR)
    start = time.monotonic()
    assert get(bound, ECR)[0] == "AWS" and time.monotonic() - start < 10


def test_no_password_is_copied_into_the_cache(bound):
    get(bound, "ghcr.example.com"), get(bound, "acme.azurecr.io")
    assert entries(bound) == []


def test_logout_forgets_tokens(bound):
    get(bound, ECR)
    bound.run("logout", ECR)
    assert entries(bound) == []
    assert get(bound, ECR) == NOT_FOUND


# The kubelet.


def request(image, version="v1"):
    return json.dumps({"apiVersion": f"credentialprovider.kubelet.k8s.io/{version}", "kind": "CredentialProviderRequest", "image": image})


def kubelet(place, text, *options):
    done = subprocess.run([place.programs / "pratique", "--config", "factory-config.yml", *options, "credential", "kubelet"],
                          input=text.encode(), capture_output=True, check=False, cwd=place.work, env=place.env, timeout=60)
    place.keep("standard error for the kubelet", done.stderr)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_kubelet(workspace, lab):
    status, out, _ = kubelet(workspace, request(f"{ECR}/base:1.2"))
    answer = json.loads(out)
    assert status == 0 and answer["kind"] == "CredentialProviderResponse" and answer["cacheKeyType"] == "Registry"
    assert answer["apiVersion"] == "credentialprovider.kubelet.k8s.io/v1"
    assert list(answer["auth"]) == [ECR] and answer["auth"][ECR]["username"] == "AWS"
    assert 3.9 * 3600 < int(answer["cacheDuration"].removesuffix("s")) <= 4 * 3600
    status, out, _ = kubelet(workspace, request("ghcr.example.com/acme/redis:7"))
    assert json.loads(out)["auth"]["ghcr.example.com"] == dict(zip(("username", "password"), generic(lab)))
    assert json.loads(out)["cacheDuration"] == "300s"
    assert json.loads(kubelet(workspace, request("quay.io/x/y"))[1])["auth"] == {}


def test_the_kubelet_is_refused(workspace, lab):
    status, out, err = kubelet(workspace, request("a.b/c", "v1beta1"))
    assert (status, out) == (2, "") and "is not of version v1" in err
    assert kubelet(workspace, "")[0] == 2
    lab.deny_action("ecr:GetAuthorizationToken")
    status, out, err = kubelet(workspace, request(f"{ECR}/base:1.2"))
    assert (status, out) == (1, "") and "AccessDeniedException" in err


def test_the_nodes_configuration_calls_us_rightly(workspace, lab):
    """The file in packaging/, with the paths of this place."""
    (provider,) = yaml.safe_load((ROOT / "packaging/kubelet/credential-provider.yaml").read_text())["providers"]
    assert provider["name"] == "pratique" and provider["apiVersion"] == "credentialprovider.kubelet.k8s.io/v1"
    given = workspace.root / "given-secrets"
    given.mkdir()
    shutil.copy(lab.secrets_directory / "ghcr_creds", given)
    paths = {"/etc/pratique/factory-config.yml": str(workspace.work / "factory-config.yml"), "/etc/pratique/secrets": str(given)}
    arguments = [paths.get(argument, argument) for argument in provider["args"]]
    # As the kubelet runs it: by its name in a folder, with little of an environment.
    done = subprocess.run([workspace.programs / provider["name"], *arguments], cwd="/", capture_output=True, check=True,
                          input=request("ghcr.example.com/acme/redis:7").encode(), env={"PATH": "/usr/bin", **lab.env()})
    assert json.loads(done.stdout)["auth"]["ghcr.example.com"]["username"] == generic(lab)[0]
