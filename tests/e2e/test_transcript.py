"""What a user does, command by command, on the containers repository of examples/: secrets, check, build, look, prove,
build again. Each output is expected as a whole."""

import gzip
import io
import json
import re
import shutil
import socket
import tarfile
from types import SimpleNamespace

import pytest
import yaml
from securesystemslib.formats import encode_canonical
from securesystemslib.keys import verify_signature

from .factory import EXAMPLES, MACHINE, PASSPHRASE, Factory, digest, files_below, matches

ECR = "123456789012.dkr.ecr.us-east-2.amazonaws.com"
USING = "pratique: using factory-config.yml\n"
NOT_USED = "pratique: worker/docker-build.conf:4: warning: TEST_CMD is not used\n"


@pytest.fixture(scope="module")
def factory(session, running_lab):
    """Configured as the manual has it, with the example's repository, unmodified but for one app more, which names a
    private image by its digest."""
    factory = Factory(session, running_lab, name="acme", config=(EXAMPLES / "factory-config.yml").read_text())
    by_digest = "acme.azurecr.io/web/nginx@" + running_lab.digests["acme.azurecr.io/web/nginx:1.25"]
    factory.copy_example(**{
        "gateway/docker-compose.yml": (
            "services:\n"
            "  proxy:\n"
            f"    image: {by_digest}\n"
            "    build: .\n"
            "    labels: {com.example.tier: front}\n"
        ),
        "gateway/conf/site.conf": "listen 80\n",
    })
    factory.by_digest = by_digest
    return factory


@pytest.fixture(scope="module")
def with_secrets(factory):
    """The three ways of `secrets update`; what each said."""
    given = factory.lab.secrets_directory
    said = [
        factory.run("secrets", "update", f"aws_creds={(given / 'aws_credentials').read_text()}"),
        factory.run("secrets", "update", f"azprincipal=={given / 'azprincipal'}", f"hub_creds=={given / 'hub_creds'}"),
        factory.run("secrets", "update", "ghcr_creds=-", input=(given / "ghcr_creds").read_bytes()),
    ]
    factory.run("secrets", "update", "tuf_passphrase=-", input=PASSPHRASE)
    factory.said = said
    return factory


@pytest.fixture(scope="module")
def initialised(with_secrets):
    with_secrets.init_result = with_secrets.run("tuf", "init", "tuf")
    return with_secrets


def build(factory, out, **how):
    """One run of `target build`, and what there was after it."""
    factory.lab.clear_log()
    result = factory.build("--out", out, **how)
    kept = factory.place.root / "kept" / out
    shutil.copytree(factory.tuf, kept)
    return SimpleNamespace(
        result=result, out=factory.work / out, tuf=kept, requests=factory.lab.requests(), uploads=factory.uploads(),
        targets=factory.targets(), published=factory.published(),
    )


@pytest.fixture(scope="module")
def first(initialised):
    return build(initialised, "first")


@pytest.fixture(scope="module")
def second(initialised, first):
    return build(initialised, "second")


@pytest.fixture(scope="module")
def third(initialised, second):
    """After a change of one file of one folder."""
    initialised.write({"runtime/motd": "another message\n"})
    return build(initialised, "third")


def app_uri(run, app, name=f"{MACHINE}-lmp-1"):
    return run.targets[name]["custom"]["docker_compose_apps"][app]["uri"]


# 2. The configuration and its secrets.


def test_secrets_update_names_what_it_changed(with_secrets):
    assert [r.out for r in with_secrets.said] == [
        "updated aws_creds\n", "updated azprincipal\nupdated hub_creds\n", "updated ghcr_creds\n"
    ]
    assert [r.err for r in with_secrets.said] == ["", "", ""]


def test_secrets_list_shows_names_sizes_and_dates(with_secrets):
    sizes = {n: (with_secrets.lab.secrets_directory / f).stat().st_size for n, f in (
        ("aws_creds", "aws_credentials"), ("azprincipal", "azprincipal"), ("ghcr_creds", "ghcr_creds"),
        ("hub_creds", "hub_creds"))} | {"tuf_passphrase": len(PASSPHRASE)}
    lines = "".join(f"{n:22} {size:10}  <time>  -\n" for n, size in sizes.items())
    assert matches(with_secrets.run("secrets", "list").out, f"{'NAME':22} {'SIZE':>10}  {'UPDATED':20}  FOR\n" + lines)


def test_config_check(with_secrets):
    result = with_secrets.run("config", "check")
    assert result.err == USING
    assert result.out == (
        f"aws      {ECR}         aws_creds\n"
        "azure    acme.azurecr.io                                      azprincipal\n"
        "generic  ghcr.example.com                                     ghcr_creds\n"
        "hub      hub.example.com/acme                                 hub_creds\n"
        "the configuration is good, and every secret that it names is there\n"
    )


# 3. What the tree refers to. Each line was looked up in the files by hand.

IMAGES = [
    ("acme.azurecr.io/base/python:3.11", "api/Dockerfile", 2, "from", "azure"),
    ("acme.azurecr.io/base/python:3.11", "api/Dockerfile", 6, "from", "azure"),
    (f"{ECR}/tools/compiler:3", "api/Dockerfile", 8, "copy-from", "aws"),
    ("BY_DIGEST", "gateway/docker-compose.yml", 3, "compose", "azure"),
    (f"{ECR}/base:1.2", "runtime/Dockerfile", 4, "from", "aws"),
    ("ghcr.example.com/acme/redis:7", "shop/docker-compose.yml", 20, "compose", "generic"),
    ("acme.azurecr.io/web/nginx:1.25", "telemetry/docker-compose.yml", 3, "compose", "azure"),
    ("ghcr.example.com/acme/broker:2", "telemetry/docker-compose.yml", 5, "compose", "generic"),
    ("hub.example.com/acme/runtime:latest", "worker/Dockerfile", 2, "from", "hub"),
]
SERVICES = {
    "gateway/docker-compose.yml:3": "proxy", "shop/docker-compose.yml:20": "cache",
    "telemetry/docker-compose.yml:3": "web", "telemetry/docker-compose.yml:5": "broker",
}


def expected_images(factory):
    images = []
    for image, file, line, kind, access in IMAGES:
        image = image.replace("BY_DIGEST", factory.by_digest)
        registry, rest = image.split("/", 1)
        name, at, pinned = rest.partition("@")
        repository, _, tag = name.partition(":")
        one = {"image": image, "file": file, "line": line, "kind": kind, "registry": registry,
               "repository": repository, "tag": tag or None, "digest": pinned or None, "access": access}
        if service := SERVICES.get(f"{file}:{line}"):
            one["service"] = service
        images.append(one)
    return images


def test_images(with_secrets):
    result = with_secrets.run("images", "containers")
    assert result.err == USING
    assert result.out == "".join(
        f"{i['file']}:{i['line']}: {i['kind']} {i['image']} ({i['access']})\n" for i in expected_images(with_secrets)
    ) + (
        "shop/docker-compose.yml:12: compose hub.example.com/${FACTORY}/api:latest "
        "(unresolved: variable FACTORY is not set)\n"
        "shop/docker-compose.yml:18: compose hub.example.com/${FACTORY}/worker "
        "(unresolved: variable FACTORY is not set)\n"
    )


def test_images_as_json(with_secrets):
    document = with_secrets.run("images", "containers", "--json").json()
    assert list(document) == ["images", "unresolved", "errors"]
    assert document["images"] == expected_images(with_secrets)
    assert document["unresolved"] == [
        {"text": "hub.example.com/${FACTORY}/api:latest", "file": "shop/docker-compose.yml", "line": 12,
         "kind": "compose", "service": "api", "reason": "variable FACTORY is not set"},
        {"text": "hub.example.com/${FACTORY}/worker", "file": "shop/docker-compose.yml", "line": 18,
         "kind": "compose", "service": "worker", "reason": "variable FACTORY is not set"},
    ]
    assert document["errors"] == []


def test_images_needs_neither_secrets_nor_the_network(with_secrets):
    with_secrets.lab.clear_log()
    nobody = {"PRATIQUE_STORE": "/nonexistent/store", "PRATIQUE_STORE_KEY_FILE": "/nonexistent/key"}
    with_secrets.run("images", "containers", env=nobody)
    assert with_secrets.lab.requests() == [] and with_secrets.lab.connects() == []


def test_images_are_anonymous_without_a_configuration(with_secrets):
    document = with_secrets.run("images", with_secrets.containers, "--json", cwd=with_secrets.place.home).json()
    assert {i["access"] for i in document["images"]} == {"anonymous"}


# `check`.


def test_check(with_secrets):
    # api/Dockerfile's images and so on, in the order of files; each with the first bytes of the lab's own digest.
    digests = with_secrets.lab.digests
    uses = [(i["image"], f"{i['file']}:{i['line']}") for i in expected_images(with_secrets)]
    shop = [("hub.example.com/acme/api:latest", "shop/docker-compose.yml:12"),
            ("hub.example.com/acme/worker", "shop/docker-compose.yml:18")]
    uses[5:5] = shop
    lines = ""
    for image, place in uses:
        if image.startswith("hub."):
            lines += f"built-here  {image}  {place}\n"
        else:
            found = image.split("@")[1] if "@" in image else digests[image]
            lines += f"ok          {image}  {place}  {found[:19]}  <size>\n"
    result = with_secrets.run("check", "containers")
    assert matches(result.err, USING + NOT_USED + (
        "pratique: ghcr.example.com: warning: secret ghcr_creds can do more than pull: it may push to acme/<any> "
        "(give it an identity with the least privilege: `pratique policy` prints what pulling takes)\n"))
    assert matches(result.out, (
        f"ok          {ECR}  aws, secret aws_creds, profile default, pull only\n"
        "ok          acme.azurecr.io  azure, secret azprincipal, pull only\n"
        "ok          ghcr.example.com  generic, secret ghcr_creds, can push\n"
        "ok          hub.example.com  hub, secret hub_creds\n"
    ) + lines)


def test_check_as_json(with_secrets):
    document = with_secrets.run("check", "containers", "--json").json()
    assert list(document) == ["registries", "images", "errors"] and document["errors"] == []
    keys = ["registry", "access", "login", "identity", "expires", "can_push", "error"]
    assert [list(r) for r in document["registries"]] == [keys] * 4
    assert [(r["registry"], r["access"], r["login"], r["error"]) for r in document["registries"]] == [
        (ECR, "aws", "ok", None), ("acme.azurecr.io", "azure", "ok", None),
        ("ghcr.example.com", "generic", "ok", None), ("hub.example.com", "hub", "ok", None),
    ]
    aws = document["registries"][0]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", aws["expires"])
    assert document["registries"][2]["expires"] is None
    images = {(i["file"], i["line"]): i for i in document["images"]}
    assert len(images) == len(document["images"]) == 11
    assert images["worker/Dockerfile", 2] == {
        "image": "hub.example.com/acme/runtime:latest", "file": "worker/Dockerfile", "line": 2, "status": "built-here",
        "digest": None, "platforms": [], "size": None, "error": None, "mirror": None,
    }
    nginx = images["telemetry/docker-compose.yml", 3]
    assert list(nginx) == ["image", "file", "line", "status", "digest", "platforms", "size", "error", "mirror"]
    assert nginx["status"] == "ok" and nginx["platforms"] == ["linux/amd64", "linux/arm64"]
    assert nginx["digest"] == with_secrets.lab.digests["acme.azurecr.io/web/nginx:1.25"]
    assert nginx["size"] > 500_000


def test_check_of_manifests_only_reads_no_blob(with_secrets):
    with_secrets.lab.clear_log()
    with_secrets.run("check", "containers", "--manifests-only")
    assert [r["path"] for r in with_secrets.lab.requests() if "/blobs/" in r["path"]] == []


def test_check_writes_nothing(with_secrets):
    with_secrets.lab.clear_log()
    with_secrets.run("check", "containers")
    assert with_secrets.uploads() == []


# `tuf init`.


def test_tuf_init(initialised):
    keys = initialised.keys
    assert initialised.init_result.err == USING
    assert initialised.init_result.out == (
        "made the TUF repository tuf\n"
        f"its private keys are in {keys}: keep a copy of them in a safe place\n"
        f"what clients are given to trust is {keys}/root.json\n"
    )
    assert keys.stat().st_mode & 0o077 == 0
    # Nothing secret in what is served.
    assert not any(b"private" in content.lower() for content in files_below(initialised.tuf).values())


def test_tuf_init_touches_nothing_that_is_there(first, initialised):
    before = initialised.published()
    result = initialised.run("tuf", "init", "tuf", status=2)
    assert "tuf: is a TUF repository already" in result.err
    assert initialised.published() == before


# 3. The first build.


def test_the_first_build(first):
    assert matches(first.result.err, USING + NOT_USED + (
        "pratique: building api (1 of 3)\n"
        "pratique: building runtime (2 of 3)\n"
        "pratique: building worker (3 of 3)\n"
        "pratique: pushing hub.example.com/acme/api\n"
        "pratique: pushing hub.example.com/acme/runtime\n"
        "pratique: pushing hub.example.com/acme/worker\n"
        "pratique: publishing hub.example.com/acme/gateway\n"
        "pratique: publishing hub.example.com/acme/shop\n"
        "pratique: publishing hub.example.com/acme/telemetry\n"
    ))
    assert matches(first.result.out, (
        "image  hub.example.com/acme/api@<digest>  built and pushed\n"
        "image  hub.example.com/acme/runtime@<digest>  built and pushed\n"
        "image  hub.example.com/acme/worker@<digest>  built and pushed\n"
        "app    hub.example.com/acme/gateway@<digest>  published\n"
        "app    hub.example.com/acme/shop@<digest>  published\n"
        "app    hub.example.com/acme/telemetry@<digest>  published\n"
        f"Target {MACHINE}-lmp-1  signed into tuf\n"
    ))


def test_target_show(first, initialised):
    result = initialised.run("target", "show", "tuf", f"{MACHINE}-lmp-1")
    assert matches(result.out, (
        f"{MACHINE}-lmp-1\n"
        f"  machines {MACHINE}\n"
        "  tags main\n"
        "  revision <revision>\n"
        "  created <time>\n"
        "  format BINARY\n"
        "  sha256 <hex> (<n> bytes)\n"
        f"  app gateway  {app_uri(first, 'gateway')}\n"
        f"  app shop  {app_uri(first, 'shop')}\n"
        f"  app telemetry  {app_uri(first, 'telemetry')}\n"
    ))


def test_target_verify(first, initialised):
    result = initialised.run("target", "verify", first.tuf, "--root", initialised.root)
    # api, worker, redis, broker, nginx; the app by digest has the same nginx as telemetry.
    assert matches(result.out,
                   "proved: 1 Target, 3 apps, 5 images; root version 1, metadata valid until <time>\n")


def test_targets_created(first):
    created = json.loads((first.out / "targets-created.json").read_text())
    assert list(created) == [f"{MACHINE}-lmp-1"] and created == first.targets
    target = created[f"{MACHINE}-lmp-1"]
    assert set(target) == {"hashes", "length", "custom"}
    release = (first.out / "release.json").read_bytes()
    assert target["hashes"] == {"sha256": digest(release).removeprefix("sha256:")} and target["length"] == len(release)
    custom = target["custom"]
    assert {k: v for k, v in custom.items() if k not in ("docker_compose_apps", "createdAt", "updatedAt")} == {
        "name": f"{MACHINE}-lmp", "version": "1", "hardwareIds": [MACHINE], "tags": ["main"],
        "targetFormat": "BINARY", "containers-sha": json.loads(release)["revision"],
    }
    assert set(custom["docker_compose_apps"]) == {"gateway", "shop", "telemetry"}
    assert custom["createdAt"] == custom["updatedAt"]


def test_the_release_tells_of_each_service_and_nothing_of_this_machine(first, initialised):
    text = (first.out / "release.json").read_text()
    release = json.loads(text)
    revision = initialised.place.program("/usr/bin/git", "-C", initialised.containers, "rev-list", "HEAD").out.split()
    assert release["revision"] in revision
    assert [a["name"] for a in release["apps"]] == ["gateway", "shop", "telemetry"]
    services = {(a["name"], s["service"]): s for a in release["apps"] for s in a["services"]}
    assert set(services) == {("gateway", "proxy"), ("shop", "api"), ("shop", "worker"), ("shop", "cache"),
                             ("telemetry", "web"), ("telemetry", "broker")}
    digests = initialised.lab.digests
    redis = services["shop", "cache"]
    assert redis["image"] == "ghcr.example.com/acme/redis:7"
    assert redis["pinned"] == "ghcr.example.com/acme/redis@" + digests["ghcr.example.com/acme/redis:7"]
    assert (redis["file"], redis["line"]) == ("shop/docker-compose.yml", 20)
    assert redis["platforms"] == ["linux/amd64", "linux/arm64"] and redis["size"] > 500_000
    assert services["gateway", "proxy"]["pinned"] == initialised.by_digest
    assert services["shop", "worker"]["pinned"].startswith("hub.example.com/acme/worker@sha256:")
    # Neither times nor paths nor names of this machine.
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d", text)
    assert not re.search(r'"/', text) and str(initialised.place.root) not in text
    assert f'"{socket.gethostname()}"' not in text and "127.0.0.1" not in text


def test_only_the_images_of_the_source_files_were_replaced(first, initialised):
    source = files_below(initialised.containers)
    for app, count in (("gateway", 1), ("shop", 3), ("telemetry", 2)):
        name = f"{app}/docker-compose.yml"
        before = source[name].decode().splitlines()
        after = (first.out / name).read_text().splitlines()
        assert len(before) == len(after)
        different = [(b, a) for b, a in zip(before, after) if b != a]
        # The one by digest was pinned already.
        assert len(different) == (0 if app == "gateway" else count)
        for b, a in different:
            image = re.search(r"image: (['\"]?)(\S+?)\1(\s+#.*)?$", b)
            pinned = re.search(r"image: (['\"]?)\S+?@sha256:[0-9a-f]{64}\1(\s+#.*)?$", a)
            assert image and pinned and image[1] == pinned[1] and image[3] == pinned[2], (b, a)


def test_the_app_pulled_back_is_the_source_folder(first, initialised):
    release = json.loads((first.out / "release.json").read_text())
    source = files_below(initialised.containers)
    for app in release["apps"]:
        folder = initialised.work / f"pulled-{app['name']}"
        initialised.skopeo("copy", f"docker://{app['uri']}", f"dir:{folder}")
        manifest_bytes = (folder / "manifest.json").read_bytes()
        assert app["uri"].endswith(digest(manifest_bytes))
        manifest = json.loads(manifest_bytes)
        assert manifest["annotations"]["compose-app"] == "v1"
        bundle = (folder / manifest["layers"][0]["digest"].removeprefix("sha256:")).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(bundle))) as archive:
            members = {m.name.removeprefix("./"): archive.extractfile(m).read() for m in archive if m.isfile()}
        expected = {n.split("/", 1)[1]: c for n, c in source.items() if n.startswith(f"{app['name']}/")}
        assert set(members) == set(expected)
        for name, content in expected.items():
            if name != "docker-compose.yml":
                assert members[name] == content
        pinned = yaml.safe_load(expected["docker-compose.yml"])
        shipped = yaml.safe_load(members["docker-compose.yml"])
        for service in app["services"]:
            there = shipped["services"][service["service"]]
            assert re.fullmatch("[0-9a-f]{64}", there["labels"].pop("io.compose-spec.config-hash"))
            if not there["labels"]:
                there.pop("labels")
            pinned["services"][service["service"]]["image"] = service["pinned"]
            pinned["services"][service["service"]].pop("build", None)
        assert shipped == pinned


def test_a_stock_client_pulls_each_pinned_image(first, initialised):
    release = json.loads((first.out / "release.json").read_text())
    pinned = {s["pinned"] for a in release["apps"] for s in a["services"]} | {i["pinned"] for i in release["images"]}
    assert len(pinned) == 6
    for number, image in enumerate(sorted(pinned)):
        initialised.skopeo("copy", "-q", f"docker://{image}", f"dir:{initialised.work}/image-{number}")


def test_what_was_built_holds_what_its_dockerfile_says(first, initialised):
    """worker is made from runtime, which is made from ECR's base; api's ARG came from .docker_build_args."""
    release = json.loads((first.out / "release.json").read_text())
    content = {}
    for image in release["images"]:
        folder = initialised.work / f"built-{image['name']}"
        initialised.skopeo("copy", "-q", f"docker://{image['pinned']}", f"dir:{folder}")
        files = content[image["name"]] = {}
        for layer in json.loads((folder / "manifest.json").read_bytes())["layers"]:
            with tarfile.open(folder / layer["digest"].removeprefix("sha256:")) as archive:
                files |= {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    assert content["worker"]["etc/motd"] == b"built by pratique's example\n"
    assert content["worker"]["usr/share/acme/words"] == b"shared by several images\n"
    assert ECR.encode() in content["worker"]["etc/lab-image"]
    assert content["api"]["app/greeting"] == b"hello from a build argument\n"
    assert b"tools/compiler" in content["api"]["app/compiler"]
    assert b"base/python" in content["api"]["etc/lab-image"]


def test_others_verify_the_signatures(third, initialised):
    metadata = initialised.tuf / "metadata"
    documents = {p.name: json.loads(p.read_bytes()) for p in metadata.glob("*.json")}
    root = documents["1.root.json"]["signed"]
    signatures = 0
    for name, document in documents.items():
        signed = document["signed"]
        role = root["roles"][signed["_type"]]
        good = set()
        for signature in document["signatures"]:
            key = {**root["keys"][signature["keyid"]], "keyid": signature["keyid"]}
            assert verify_signature(key, signature, encode_canonical(signed).encode()), name
            good.add(signature["keyid"])
        assert len(good & set(role["keyids"])) >= role["threshold"], name
        signatures += len(good)
    # Root, the empty targets of `tuf init`, and those of two builds; each with its snapshot; the timestamp.
    assert {n for n in documents if "targets" in n} == {f"{v}.targets.json" for v in (1, 2, 3)}
    assert signatures >= len(documents) == 9


# 4. The same again, and a change.


def test_the_second_build_changes_nothing(first, second):
    assert second.result.out == re.sub("built and pushed|published|signed into tuf", "unchanged", first.result.out)
    assert second.result.err == USING + NOT_USED
    assert second.uploads == []
    assert second.published == first.published
    assert json.loads((second.out / "targets-created.json").read_text()) == {}
    assert (second.out / "release.json").read_bytes() == (first.out / "release.json").read_bytes()


def test_nothing_is_uploaded_to_anybody_but_the_hub(first, second, third):
    for run in (first, second, third):
        changing = {r["host"] for r in run.requests if r["method"] in ("PUT", "PATCH", "DELETE", "POST")}
        # AWS's API is spoken to by POST.
        assert changing <= {"hub.example.com", "api.ecr.us-east-2.amazonaws.com"}


def test_a_change_rebuilds_what_is_made_from_it_and_nothing_else(first, third):
    def by_name(run):
        words = [line.split() for line in run.result.out.splitlines() if not line.startswith("Target")]
        return {w[1].split("@")[0].rsplit("/", 1)[1]: (w[1].split("@")[1], " ".join(w[2:])) for w in words}

    before, after = by_name(first), by_name(third)
    assert {n: said for n, (_, said) in after.items()} == {
        "api": "unchanged", "runtime": "built and pushed", "worker": "built and pushed",
        "gateway": "unchanged", "shop": "published", "telemetry": "unchanged",
    }
    changed = {n for n in before if before[n][0] != after[n][0]}
    assert changed == {"runtime", "worker", "shop"}
    assert third.result.out.endswith(f"Target {MACHINE}-lmp-2  signed into tuf\n")
    assert set(third.targets) == {f"{MACHINE}-lmp-1", f"{MACHINE}-lmp-2"}
    assert not any("/api/" in upload or "/telemetry/" in upload for upload in third.uploads)


def test_both_targets_are_proved(third, initialised):
    result = initialised.verify()
    assert matches(result.out, "proved: 2 Targets, 4 apps, 6 images; root version 1, metadata valid until <time>\n")


def test_images_are_tagged_by_their_inputs_and_latest(third, initialised):
    for image, builds in (("api", 1), ("runtime", 2), ("worker", 2)):
        tags = initialised.tags(image)
        assert "latest" in tags and len(tags) == builds + 1
        assert all(t == "latest" or re.fullmatch("inputs-[0-9a-f]{64}", t) for t in tags)
    assert {re.sub("_.*", "", t) for t in initialised.tags("shop")} == {"app-1", "app-2"}


def test_builds_leave_no_temporary_files(third, initialised):
    assert initialised.temporary_files() == []
