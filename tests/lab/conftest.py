"""One lab for all tests of the lab."""

from collections.abc import Iterator

import pytest

from lab import Lab


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        lab.seed()
        yield lab


@pytest.fixture
def lab(running: Lab) -> Iterator[Lab]:
    running.clear_log()
    yield running
    running.restore()
