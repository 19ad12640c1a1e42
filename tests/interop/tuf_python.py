#!/usr/bin/env python3
"""python-tuf's own client updates from a repository that we wrote, served as it is, and downloads a Target; a tampered
copy of each kind is refused by it too.

usage: tuf_python.py TUF_SAMPLE, the program that writes the repository; exit 77 where python-tuf (PyPI `tuf`) is not
installed.
"""
import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

try:
    from tuf.api.exceptions import DownloadError, RepositoryError
    from tuf.ngclient import Updater
except ImportError:
    print("no python-tuf here (pip install tuf)")
    sys.exit(77)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def download(folder, url, name):
    client = pathlib.Path(tempfile.mkdtemp(dir=folder))
    (client / "targets").mkdir()
    updater = Updater(
        metadata_dir=str(client / "metadata"),
        metadata_base_url=f"{url}/metadata/",
        target_dir=str(client / "targets"),
        target_base_url=f"{url}/targets/",
        bootstrap=(folder / "keys" / "root.json").read_bytes(),
    )
    updater.refresh()
    info = updater.get_targetinfo(name)
    return info, pathlib.Path(updater.download_target(info)).read_bytes() if info.length else None


def flip(path, old, new):
    data = path.read_bytes()
    assert old in data, path
    path.write_bytes(data.replace(old, new, 1))


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        subprocess.run([sys.argv[1], str(folder)], check=True)
        handler = functools.partial(Quiet, directory=str(folder / "repo"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        info, data = download(folder, url, "raspberrypi4-64-lmp-1")
        assert json.loads(data) == {"apps": {"web": "\u00e9"}}
        assert info.custom["docker_compose_apps"]["web"]["uri"].startswith("hub.example.com/acme/web@")
        info, _ = download(folder, url, "dir/commit-2")
        assert info.length == 0
        repo, kept = folder / "repo", folder / "kept"
        shutil.copytree(repo, kept)
        target = next((repo / "targets").glob("*.raspberrypi4-64-lmp-1")).relative_to(repo)
        for name, old, new in [
            ("metadata/timestamp.json", b'"version": 3', b'"version": 4'),
            ("metadata/3.snapshot.json", b'"version": 3', b'"version": 4'),
            ("metadata/3.targets.json", b"raspberrypi4-64-lmp-1", b"raspberrypi4-64-lmp-3"),
            (str(target), b"apps", b"spam"),
        ]:
            flip(repo / name, old, new)
            try:
                download(folder, url, "raspberrypi4-64-lmp-1")
            except (RepositoryError, DownloadError) as error:
                print(f"{name} tampered: {type(error).__name__}")
            else:
                raise AssertionError(f"{name} was tampered with, and python-tuf did not see it")
            shutil.copy(kept / name, repo / name)
        server.shutdown()
        print("python-tuf updated and downloaded")


if __name__ == "__main__":
    main()
