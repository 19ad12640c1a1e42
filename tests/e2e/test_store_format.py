"""The store's format, read by a program that is not ours: sqlite3 and AES-GCM of Python open what was put."""

import hashlib
import hmac
import os
import pathlib
import signal
import sqlite3
import subprocess

import pytest

aead = pytest.importorskip("cryptography.hazmat.primitives.ciphers.aead")

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PRATIQUE_BUILD_DIR", ROOT / "build")).resolve()
DRIVER = BUILD / "tests/unit/secrets/store_driver"


def unseal(key, blob, associated):
    assert blob[:4] == b"pqs\x01"
    assert int.from_bytes(blob[4:8], "big") == len(blob) - 36
    return aead.AESGCM(key).decrypt(blob[8:20], blob[20:], blob[:20] + associated)


def test_python_reads_the_store(tmp_path):
    if not DRIVER.exists():
        pytest.skip(f"{DRIVER} is not built")
    path, key_path = tmp_path / "s.db", tmp_path / "store.key"
    process = subprocess.Popen([DRIVER, "put", path, key_path, "w", "1", "ghcr.io"], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    subprocess.run([DRIVER, "dump", path, key_path], check=True, stdout=subprocess.DEVNULL)

    key = bytes.fromhex(key_path.read_text())
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    assert database.execute("PRAGMA application_id").fetchone() == (0x70717373,)
    key_id, check = database.execute("SELECT key_id, sealed FROM mark").fetchone()
    assert key_id == hmac.new(key, b"pratique store key id", hashlib.sha256).hexdigest()[:32]
    assert unseal(key, check, f"pratique store 1 key {key_id}".encode()) == b""
    rows = database.execute("SELECT name, hosts, created, updated, sealed FROM secrets").fetchall()
    assert len(rows) >= 6
    for name, hosts, created, updated, sealed in rows:
        assert hosts == "ghcr.io"
        associated = f"pratique secret 1 {len(name)}:{name} {len(hosts)}:{hosts} {created} {updated}"
        number, owner, _ = unseal(key, sealed, associated.encode()).decode().split(" ")
        assert owner == name and int(number) >= 1
    database.close()
