"""Habits of every command: help, wrong command lines, JSON on failure, an output that cannot be written, the helper."""

import json
import re
import subprocess
import time

import pytest

from .conftest import PROGRAMS
from .factory import SMALL, Factory

COMMANDS = [
    "secrets update", "secrets list", "secrets rekey", "config check", "images", "check", "policy", "login",
    "logout", "credential get", "credential store", "credential erase", "credential list", "credential kubelet",
    "device setup", "device check", "device serve",
    "tuf init", "target build", "target show", "target verify",
]


# Help.


def test_the_help_lists_every_command(run):
    listed = re.findall(r"^  ((?:[a-z]+ )?[a-z]+) {2,}[a-z]", run("--help").out, re.MULTILINE)
    assert listed == COMMANDS
    assert run("help").out == run("--help").out == run("-h").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(run, command):
    result = run(*command.split(), "--help")
    assert result.err == ""
    assert result.out.startswith(f"Usage: pratique [GLOBAL OPTIONS] {command}")
    example = result.out.split("Examples:\n")[1]
    assert re.search(rf"^  \$ .*pratique.* {command.split()[-1]}", example, re.MULTILINE)
    assert run("help", *command.split()).out == result.out
    # A device.yml that is shown whole is as wide as it is.
    assert max(map(len, result.out.split("  # /etc/pratique/device.yml")[0].splitlines()[1:])) <= 100
    # Not JSON, whatever else is asked for.
    assert run(*command.split(), "--help", "--json").out == result.out


def test_the_examples_of_the_help_are_command_lines_that_are_understood(run):
    """Words and options, at least: nothing is unknown."""
    for command in COMMANDS:
        for line in re.findall(r"^  \$ pratique (.*)$", run(*command.split(), "--help").out, re.MULTILINE):
            words = re.sub(r"\$\(.*?\)|[|<>].*$|\\$", "x", line).split()
            if command == "device serve":
                words += ["--fetch-limit", "x"]  # or it would serve
            said = run(*words, "--config", "/nonexistent", status=None).err
            assert "unknown option" not in said and "unknown command" not in said, line


def test_version(run):
    assert re.fullmatch(r"pratique \d+\.\d+\.\d+\n", run("version").out)
    document = run("version", "--json", status=None)
    assert json.loads(run("--json", "version").out)["version"] == run("version").out.split()[1]
    assert document.status in (0, 2)


# Wrong command lines.


@pytest.mark.parametrize(("arguments", "said"), [
    ([], "which command? (see `pratique --help`)"),
    (["chekc"], "unknown command chekc (did you mean `check`?)"),
    (["imagse"], "unknown command imagse (did you mean `images`?)"),
    (["target", "biuld"], "unknown command target biuld (there is: target build, target show, target verify)"),
    (["secrets"], "which command of secrets (there is: secrets update, secrets list, secrets rekey)"),
    (["something"], "unknown command something (see `pratique --help`)"),
    (["images", "--josn"], "unknown option --josn (did you mean --json?)"),
    (["target", "build", "--dryrun"], "unknown option --dryrun (did you mean --dry-run?)"),
    (["images", "-z"], "unknown option -z (see `pratique images --help`)"),
    (["images", "--config"], "the option --config wants a value: --config FILE"),
    (["images", "--json=yes"], "the option --json takes no value"),
    (["-C", "/nonexistent", "images"], "/nonexistent: cannot work there: <any>"),
])
def test_wrong_command_lines(run, arguments, said):
    result = run(*arguments, status=2)
    assert result.out == ""
    wanted = re.escape(f"pratique: {said}\n").replace("<any>", ".*")
    assert re.fullmatch(wanted, result.err), result.err


@pytest.mark.parametrize("command", ["tuf init", "target show", "target verify", "secrets update"])
def test_words_that_are_missing(run, command):
    result = run(*command.split(), status=2)
    assert result.err.startswith("pratique: ") and "--help`" in result.err


@pytest.mark.parametrize("command", ["check", "config check", "target build", "secrets list", "tuf init"])
def test_words_that_are_too_many(run, command):
    result = run(*command.split(), "one", "two", "three", status=2)
    assert "--help`" in result.err


# JSON.


@pytest.mark.parametrize(("arguments", "status"), [
    (["--json"], 2), (["--json", "chekc"], 2), (["chekc", "--json"], 2), (["images", "--josn", "--json"], 2),
    (["images", "/nonexistent", "--json"], 2), (["check", "/nonexistent", "--json"], 2),
    (["config", "check", "--json"], 2), (["target", "build", "/nonexistent", "--json"], 2),
    (["target", "show", "/nonexistent", "--json"], None), (["target", "verify", "/nonexistent", "--json"], 2),
    (["tuf", "init", "--json", "x"], 2), (["secrets", "update", "--json", "x"], 2),
    (["--json", "--config", "/nonexistent", "images", "."], 2),
])
def test_json_is_one_document_also_on_failure(run, arguments, status):
    result = run(*arguments, status=status)
    assert result.status in (1, 2)
    document = json.loads(result.out)
    assert list(document)[-1] == "errors" and document["errors"]
    for error in document["errors"]:
        assert list(error) == ["code", "where", "message", "hint"]
        assert error["code"] and error["message"]
    # Two spaces an indent, and an end of line.
    assert result.out == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    # People are told as well.
    assert result.err.count("pratique: ") >= len(document["errors"])


def test_json_as_far_as_it_got(run, place):
    place.write({"a/Dockerfile": "FROM busybox:1\n", "b/docker-compose.yml": "services: [\n"})
    result = run("images", ".", "--json", status=2)
    document = result.json()
    assert [i["image"] for i in document["images"]] == ["busybox:1"]
    assert document["errors"][0]["where"].startswith("b/docker-compose.yml:")
    # The same as text.
    assert run("images", ".", status=2).out == "a/Dockerfile:1: from busybox:1 (anonymous)\n"


def test_control_characters_are_not_passed_on(run, place):
    place.write({"a\x1b[31m/Dockerfile": "FROM busybox:1\n"})
    result = run("images", ".")
    assert "\x1b" not in result.out + result.err and "busybox:1" in result.out
    assert "\x1b" not in run("images", "./x\x1b[31m", status=2).err


def test_a_folder_without_images_is_no_silent_success(run, place):
    place.write({"notes.txt": "nothing"})
    assert "pratique: no image is referred to: is . the folder that you mean?\n" == run("images").err
    result = run("check")
    assert result.out == "" and result.err == (
        "pratique: without a configuration every registry is asked as a stranger: name one with --config FILE\n"
        "pratique: . refers to no image: is it the folder that you mean?\n")
    place.write({"Dockerfile": "FROM scratch\nFROM busybox:1\n"})
    assert run("images").err == ""


def test_what_was_not_there_is_not_removed(run):
    result = run("secrets", "update", "nosuch=")
    assert result.out == "" and result.err.endswith("warning: there was no secret named nosuch to remove\n")
    assert run("secrets", "update", "one=x").out == "updated one\n"
    assert run("secrets", "update", "one=", "two=", "--json").json()["removed"] == ["one"]


def test_a_configuration_of_nothing_is_not_called_complete(run, place):
    place.write({"factory-config.yml": "container_registry:\n- type: generic\n"})
    result = run("config", "check")
    assert result.out == "" and result.err == (
        "pratique: using factory-config.yml\n"
        "pratique: factory-config.yml:1:1: warning: a section that is not read (did you mean `container_registries`?)\n"
        "pratique: the configuration is good, but names no registry and no hub (a device.yml is named with --device-config)\n")


# Output.


@pytest.mark.parametrize("arguments", [
    ["--help"], ["version"], ["images", "."], ["images", ".", "--json"], ["secrets", "list"], ["target", "--help"],
])
def test_an_output_that_cannot_be_written_is_an_error(place, arguments):
    place.write({"Dockerfile": "FROM busybox:1\n"})
    place.run("secrets", "update", "one=-", input="of no consequence")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAMS / "pratique", *arguments], stdout=full, stderr=subprocess.PIPE, check=False,
                              cwd=place.work, env=place.env)
    assert done.returncode == 1 and b"standard output: cannot write: " in done.stderr


def test_a_reader_that_goes_away(place):
    place.write({f"{n}/Dockerfile": "FROM busybox:1\n" * 50 for n in range(60)})
    child = subprocess.Popen([PROGRAMS / "pratique", "images", "."], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             cwd=place.work, env=place.env)
    child.stdout.close()
    said = child.stderr.read()
    assert child.wait() != 0 or said == b""
    child.stderr.close()
    assert child.returncode in (1, -13)


def test_results_go_to_standard_output_and_all_else_to_standard_error(session, lab):
    factory = Factory.ready(session, lab)
    factory.write(SMALL)
    assert "pratique:" not in factory.run("check", "containers").out
    quiet = factory.run("-q", "check", "containers")
    assert quiet.err == "" and quiet.out == factory.run("check", "containers").out
    assert "GET https://ghcr.example.com/v2/" in factory.run("-v", "check", "containers").err


# The helper.


def helper(place, *arguments, **how):
    return place.program(place.programs / "docker-credential-pratique", *arguments, **how)


@pytest.mark.parametrize("host", ["ghcr.example.com", "https://index.docker.io/v1/", "ghcr.example.com\n"])
def test_the_helper_without_a_build(place, host):
    result = helper(place, "get", input=host, status=1)
    assert (result.out, result.err) == ("credentials not found in native keychain\n", "")


def test_the_helper_without_a_host(place):
    assert helper(place, "get", input="", status=1).out == "no credentials server URL\n"


def test_the_helper_of_a_build_that_has_ended(place):
    result = helper(place, "get", input="ghcr.example.com", status=1,
                    env={"PRATIQUE_HELPER_SOCKET": str(place.root / "gone")})
    assert "has ended" in result.out


def test_the_helper_version_and_usage(place):
    assert helper(place, "version").out.startswith("docker-credential-pratique ")
    for arguments in ([], ["stor"], ["get", "more"], ["frobnicate"]):
        assert "usage: docker-credential-pratique" in helper(place, *arguments, status=1).err


# Configurations of others.


def test_a_configuration_inside_the_folder_is_not_used(session, lab):
    """It would choose where secrets are sent."""
    factory = Factory.ready(session, lab)
    evil = "container_registries:\n- {type: generic, url: evil.example.com, generic_secret_name: hub_creds}\n"
    factory.write({"app/docker-compose.yml": "services: {a: {image: evil.example.com/x:1}}\n",
                   "factory-config.yml": evil, "ci-scripts/factory-config.yml": evil, "app/factory-config.yml": evil})
    for folder, target in ((factory.containers, "."), (factory.containers / "app", "..")):
        # `images` tells without the network whom it would be.
        result = factory.run("images", target, cwd=folder)
        assert "lies inside the folder that is worked on" in result.err
        assert "evil.example.com/x:1 (anonymous)" in result.out
    # Standing above it, the configuration there is taken, in which evil.example.com is a stranger.
    result = factory.run("check", "containers", status=None)
    assert result.err.startswith("pratique: using factory-config.yml\n")
    assert "failed      evil.example.com  anonymous" in result.out
    # It was asked, and got nothing.
    assert all(not r["authorization"] for r in lab.requests("evil.example.com"))


# What people type by habit.


def test_version_as_an_option(run):
    assert run("--version").out == run("version").out


def test_the_help_of_a_group_lists_its_commands(run):
    out = run("secrets", "--help").out
    assert [line.split("  ")[0] for line in out.splitlines()] == ["secrets update", "secrets list", "secrets rekey"]


def test_a_signal_ends_the_wait_for_a_secret(place):
    child = subprocess.Popen([PROGRAMS / "pratique", "secrets", "update", "one=-"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=place.work, env=place.env)
    time.sleep(1)
    child.terminate()
    assert child.wait(timeout=10) == 130
    child.communicate()
