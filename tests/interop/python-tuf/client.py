"""A TUF client made of python-tuf: client.py URL ROOT STATE TARGET... updates from URL and downloads each TARGET that has
bytes; prints {TARGET: {length, sha256, custom, file}}."""
import json
import sys
from pathlib import Path

from tuf.ngclient import Updater


def update(url, root, state, names):
    (state / "targets").mkdir(parents=True, exist_ok=True)
    client = Updater(
        metadata_dir=str(state / "metadata"), metadata_base_url=f"{url}/metadata/", target_dir=str(state / "targets"),
        target_base_url=f"{url}/targets/", bootstrap=root.read_bytes(),
    )
    client.refresh()
    found = {}
    for name in names:
        info = client.get_targetinfo(name)
        if info is None:
            raise LookupError(f"{name} is not among the targets")
        found[name] = {
            "length": info.length, "sha256": info.hashes["sha256"], "custom": info.custom,
            "file": client.download_target(info) if info.length else None,
        }
    return found


if __name__ == "__main__":
    try:
        print(json.dumps(update(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])))
    except Exception as error:  # whatever it says, it refuses
        sys.exit(f"{type(error).__name__}: {error}")
