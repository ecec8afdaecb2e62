"""How the tests of this repository are run, and what most of them stand on: one engine and one image."""

from __future__ import annotations

import functools
import json
import marshal
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.loaders
import filelock
import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent
IMAGES = ROOT / "images"
# Two builds of one image at once do its work twice: every worker, and every other run on this machine, waits here.
SETUP_LOCK = Path(tempfile.gettempdir()) / f"lyftlearn-test-setup-{os.getuid()}.lock"
# botocore parses its models (megabytes of JSON) anew for each session, and nearly every test of a client has its own.
# Clients write into them, so each session still has a copy of its own.
_read = botocore.loaders.JSONFileLoader().load_file
_parsed = functools.cache(lambda path: marshal.dumps(json.loads(json.dumps(_read(path)))))


class _ParsedOnce(botocore.loaders.JSONFileLoader):
    """Reads a file of models once for all sessions of a worker."""

    def load_file(self, file_path: str) -> Any:
        """The file's data, or None where it does not exist."""
        return marshal.loads(_parsed(file_path))  # noqa: S302 - what was dumped here


botocore.loaders.Loader.FILE_LOADER_CLASS = _ParsedOnce
# The libraries of models wait for each other in busy loops, one thread for each core, of cores that the workers share.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Nothing listens here: a test that does not ask for the engine gets none.
NO_ENGINE = "unix:///nonexistent/docker.sock"

# A loaded machine is slow at random: no example has a deadline, and none is made too slowly. The examples of a test share
# what a fixture gave it; ours write over it. A failure prints what repeats it. Every run looks at other examples, but CI's:
# there a change is not judged by what another one's luck has found.
hypothesis.settings.register_profile(
    "lyftlearn",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
    print_blob=True,
)
hypothesis.settings.load_profile("lyftlearn")
# For `make test-fast`: a fifth of the examples. `make test` and CI look at all of them.
hypothesis.settings.register_profile("fast", hypothesis.settings.get_profile("lyftlearn"), max_examples=20)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what depends on the engine, and begins with the files that take longest, so that no worker is left alone.

    The mark follows from the fixtures that a test asks for, directly or not: `pytest -m "not engine"` is kept by itself.
    The longest files are those that ask for more time, and then those with most tests on the engine.
    """
    longest_s: dict[Path, float] = {}
    with_engine: Counter[Path] = Counter()
    for item in items:
        timeout = item.get_closest_marker("timeout")
        longest_s[item.path] = max(longest_s.get(item.path, 0), timeout.args[0] if timeout else 0)
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker("engine")
            with_engine[item.path] += 1
    items.sort(key=lambda item: (-longest_s[item.path], -with_engine[item.path]))


@pytest.fixture(autouse=True)
def _no_engine_unless_asked_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the engine from a test without the mark, which would else be wrong."""
    if "engine" not in request.fixturenames:
        monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers: the one that runs, or one that is started as `make engine` does."""
    from lyftlearn_image.build.engine import ensure_engine

    ensure_engine(print)


@pytest.fixture(scope="session")
def setup_lock() -> filelock.FileLock:
    """Held while an image of many tests is made, by whoever comes first; the others then find it."""
    return filelock.FileLock(SETUP_LOCK)


@pytest.fixture(scope="session")
def lyftlearn_image_tag(engine: None, setup_lock: filelock.FileLock) -> str:
    """The built `lyftlearn` image; building it again with nothing changed builds nothing.

    Its tag says what is in it, so that two checkouts can be tested on one engine at the same time.
    """
    from lyftlearn_image.build.base_image import ensure_base
    from lyftlearn_image.build.builder import BuildOptions, build
    from lyftlearn_image.build.context import build_context, build_key
    from lyftlearn_image.build.engine import ensure_engine
    from lyftlearn_image.build.spec import load_spec

    with setup_lock:
        spec = load_spec("lyftlearn", IMAGES)
        base = ensure_base(spec.base, ensure_engine(print), print)
        key = build_key(build_context(spec, IMAGES, bootstrapped=base.origin == "bootstrapped"), base.id)
        return build("lyftlearn", images_dir=IMAGES, options=BuildOptions((f"lyftlearn-test:{key[:12]}",))).image


@pytest.fixture(scope="session")
def on_this_image(lyftlearn_image_tag: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Copies a directory whose Dockerfile says `FROM lyftlearn:latest`; the copy's stands on the image of these tests."""

    def copy(directory: Path) -> Path:
        place = tmp_path_factory.mktemp(directory.name) / directory.name
        shutil.copytree(directory, place)
        dockerfile = place / "Dockerfile"
        text = dockerfile.read_text()
        assert "FROM lyftlearn:latest\n" in text
        dockerfile.write_text(text.replace("FROM lyftlearn:latest\n", f"FROM {lyftlearn_image_tag}\n"))
        return place

    return copy
