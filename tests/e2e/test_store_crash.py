"""Two processes update one store of secrets at once and are killed at random instants; nothing that was
acknowledged may be missing when it is opened again. The same while the store is rekeyed.

The writers are tests/unit/secrets/store_driver.c, many commits a process, so that the kills fall within commits and
not into the start of a program; a second round uses the `pratique` binary itself.

    PRATIQUE_BUILD_DIR   where meson built (default: build)
    PRATIQUE_BIN_DIR     where the programs are (default: $PRATIQUE_BUILD_DIR/bin)
    STORE_CRASH_SEED     repeats the random delays of a run
"""

import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PRATIQUE_BUILD_DIR", ROOT / "build")).resolve()
BIN = pathlib.Path(os.environ.get("PRATIQUE_BIN_DIR", BUILD / "bin")).resolve()
DRIVER = BUILD / "tests/unit/secrets/store_driver"
PRATIQUE = BIN / "pratique"
KILLS = 500
REKEY_KILLS = 100
CLI_KILLS = 100
NAMES = 40  # the driver goes round this many names a prefix


@pytest.fixture
def rng():
    seed = os.environ.get("STORE_CRASH_SEED") or str(random.randrange(1 << 32))
    print(f"STORE_CRASH_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def store(tmp_path):
    if not DRIVER.exists():
        pytest.skip(f"{DRIVER} is not built")
    return str(tmp_path / "data/secrets.db"), str(tmp_path / "config/store.key")


def dump(store):
    """What is in the store, each value checked by the driver; and SQLite's own opinion of the file."""
    done = subprocess.run([DRIVER, "dump", *store], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(store[0]) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    return {name: int(number) for name, number in (line.rsplit("=", 1) for line in done.stdout.splitlines())}


def run_killed(arguments, delay, after_first):
    """Starts the driver and kills it after a delay, counted from its start or from the first commit that it reports
    (so that a loaded machine gets to the commits too). Returns the numbers it said were committed."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([DRIVER, *arguments], stdout=subprocess.PIPE, stderr=errors)
        out = os.read(process.stdout.fileno(), 65536) if after_first else b""
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        while chunk := os.read(process.stdout.fileno(), 65536):
            out += chunk
        process.stdout.close()
        process.wait(60)
        errors.seek(0)
        err = errors.read()
    assert process.returncode == -signal.SIGKILL and err == b"", (process.returncode, err)
    return [int(line.split()[1]) for line in out.splitlines()]


def instant(rng):
    """When to kill: 0.5 to 20 ms after the start, or after the first commit."""
    return rng.uniform(0.0005, 0.02), rng.random() < 0.6


class Writer:
    """One prefix of names in the store, written by one process at a time."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.next = 1
        self.commits = 0
        self.error = None

    def run(self, store, delay, after_first):
        try:
            acknowledged = run_killed(["put", *store, self.prefix, str(self.next)], delay, after_first)
            assert acknowledged == list(range(self.next, self.next + len(acknowledged)))
            self.next += len(acknowledged)
            self.commits += len(acknowledged)
        except BaseException as error:  # handed on by the main thread
            self.error = error

    def check(self, found):
        """All that was acknowledged is there. One commit more may be: the one that was killed before its word."""
        if self.error:
            raise self.error
        last = self.next - 1
        pair = found.get(f"{self.prefix}.pair", 0)
        assert pair in (last, last + 1), f"{self.prefix}.pair is {pair}, {last} was acknowledged"
        for number in range(max(1, pair - NAMES + 1), pair + 1):
            name = f"{self.prefix}.{number % NAMES}"
            assert found.get(name) == number, f"{name} is {found.get(name)}, {number} was put"
        self.next = pair + 1


def at_once(*jobs):
    threads = [threading.Thread(target=job, args=arguments) for job, *arguments in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_writers_killed(store, rng):
    writers = [Writer("one"), Writer("two")]
    kills = 0
    while kills < KILLS:
        at_once(*[(writer.run, store, *instant(rng)) for writer in writers])
        kills += len(writers)
        if not os.path.exists(store[0]):  # killed before the store was made
            assert all(writer.next == 1 for writer in writers)
            continue
        found = dump(store)
        for writer in writers:
            writer.check(found)
    commits = sum(writer.commits for writer in writers)
    assert commits > KILLS / 4, "the kills came before anything was done"
    print(f"{kills} kills, {commits} acknowledged commits of two processes, 0 lost")


def test_rekey_killed(store, rng):
    writer = Writer("w")
    writer.run(store, 0.2, True)
    counts, failures, keys = [], [], set()
    kills = with_new_key = 0

    def rekey(delay, after_first):
        try:
            counts.extend(run_killed(["rekey", *store], delay, after_first))
        except BaseException as error:  # handed on by the main thread
            failures.append(error)

    while kills < REKEY_KILLS:
        at_once((rekey, *instant(rng)), (writer.run, store, *instant(rng)))
        if failures:
            raise failures[0]
        kills += 1
        with_new_key += os.path.exists(store[1] + ".new")
        writer.check(dump(store))
        keys.add(pathlib.Path(store[1]).read_text())
    assert len(counts) > REKEY_KILLS / 4 and len(keys) > 10
    assert sorted(os.listdir(os.path.dirname(store[1]))) in (["store.key"], ["store.key", "store.key.new"])
    print(f"{kills} kills of rekey beside a writer, {len(counts)} acknowledged rekeys, {with_new_key} kills with the new "
          f"key still beside the old, {writer.commits} acknowledged commits, 0 lost")


def test_first_use_by_many(store):
    """Eight processes make the store and its key at the same moment; one key wins and everybody uses it."""
    writers = [Writer(f"p{i}") for i in range(8)]
    at_once(*[(writer.run, store, 0.0, True) for writer in writers])
    found = dump(store)
    for writer in writers:
        writer.check(found)
    assert all(writer.commits for writer in writers)


def test_the_programs_own_updates(store, rng, tmp_path):
    if not PRATIQUE.exists():
        pytest.skip(f"{PRATIQUE} is not built")
    environment = {**os.environ, "HOME": str(tmp_path), "PRATIQUE_STORE": store[0], "PRATIQUE_STORE_KEY_FILE": store[1]}
    acknowledged = {"a": None, "b": None}
    possible = {"a": {None}, "b": {None}}
    killed = done = 0

    def update(name, number, delay):
        nonlocal killed, done
        value = f"{name}-{number}-" + "v" * 500
        process = subprocess.Popen([PRATIQUE, "secrets", "update", f"{name}={value}"], env=environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.returncode == 0:
            done += 1
            acknowledged[name] = value
            possible[name] = {value}
        else:
            assert process.returncode == -signal.SIGKILL
            killed += 1
            possible[name].add(value)

    number = 0
    while killed < CLI_KILLS and number < 20 * CLI_KILLS:
        number += 1
        at_once(*[(update, name, number, rng.choice([60, *[rng.uniform(0.001, 0.03)] * 4])) for name in acknowledged])
        if not os.path.exists(store[0]):
            assert acknowledged == {"a": None, "b": None}
            continue
        for name in acknowledged:
            read = subprocess.run([DRIVER, "get", *store, name], capture_output=True, text=True, timeout=60)
            value = read.stdout if read.returncode == 0 else None
            assert value in possible[name], f"{name} was lost"
            possible[name] = {value}
            acknowledged[name] = value
    assert done and killed
    print(f"{killed} kills of `pratique secrets update`, {done} acknowledged, 0 lost")
