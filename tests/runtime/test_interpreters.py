"""The shim on real interpreters of Debian: those of bullseye, bookworm and trixie. vermin checks the oldest, 3.8."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.build import debian
from lyftlearn_image.build.base_image import RECIPE_LABEL
from lyftlearn_image.build.builder import build_directory
from lyftlearn_image.build.engine import ensure_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    import docker
    from filelock import FileLock

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network
    from tests.runtime.conftest import Files, Shim

    Options = Callable[[dict[str, str]], tuple[str, ...]]

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
SECRET = "planted-line-one\nüñí \"quoted\" $(id) 'x' \\n"
# The packages that the images themselves have their interpreter from.
DOCKERFILE = """\
FROM {base}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends python3 libpython3-stdlib && rm -rf /var/lib/apt/lists/*
"""
VALUES: dict[str, Any] = {
    "layers": [32, 16],
    "rate": 0.1,
    "epochs": 3,
    "huge": 12345678901234567890,
    "shuffle": True,
    "nothing": None,
    "name": "café $(id) 'x'",
    "almost": "[1, 2",
    "nested": {"b": [None, {"c": "d"}], "a": -1.5e-7},
}
SAYS = """
import json, os, sys
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "first": os.path.basename(os.path.realpath("/proc/1/exe")),
    "argv": sys.argv[1:],
    "typed": json.load(open(os.environ["LYFTLEARN_HYPERPARAMETERS"])),
    "SM_HPS": json.loads(os.environ["SM_HPS"]),
    "SM_HP_NAME": os.environ["SM_HP_NAME"],
    "cwd": os.getcwd(),
}))
"""
WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(23))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module", params=VERSIONS)
def suite(request: pytest.FixtureRequest, engine: None, setup_lock: FileLock) -> str:
    """The name of a Debian release whose image is on the engine; made once, and found there by later runs."""
    name: str = request.param
    base = f"lyftlearn-test-debian:{name}"
    with setup_lock, ensure_engine(print).connect() as client, tempfile.TemporaryDirectory() as place:
        _ensure_debian(client, name, base, Path(place))
        context = Path(place) / "context"
        context.mkdir()
        (context / "Dockerfile").write_text(DOCKERFILE.format(base=base))
        build_directory(context, f"lyftlearn-test-python:{name}")
    return name


def _ensure_debian(client: docker.DockerClient, suite: str, tag: str, place: Path) -> None:
    recipe = debian.recipe(suite)
    if any(image.labels.get(RECIPE_LABEL) == recipe for image in client.images.list(filters={"reference": tag})):
        return
    layer, archive = place / "layer.tar", place / "image.tar"
    debian.bootstrap(suite, layer)
    debian.pack(layer, archive, tag=tag, labels={RECIPE_LABEL: recipe})
    with archive.open("rb") as stream:
        client.images.load(stream)


@pytest.fixture
def here(suite: str, shim_in: Callable[[str], Shim]) -> Shim:
    """The shim in containers of that release."""
    return shim_in(f"lyftlearn-test-python:{suite}")


def test_train_gives_values_of_every_type(here: Shim, suite: str, files: Files) -> None:
    """The release's own interpreter runs shim and script, and true types arrive by file, variables and flags."""
    done = here.run(
        "train",
        options=(
            *files.put("/opt/ml/code/says.py", SAYS),
            *files.bundle(hyperparameters=VALUES, environment={"LYFTLEARN_PROGRAM": "says.py"}),
        ),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["version"], found["first"]) == (VERSIONS[suite], f"python{VERSIONS[suite]}")
    assert found["typed"] == found["SM_HPS"] == VALUES
    assert (found["SM_HP_NAME"], found["cwd"]) == (VALUES["name"], "/opt/ml/code")
    flags = dict(zip(found["argv"][::2], found["argv"][1::2], strict=True))
    assert sorted(flags) == sorted(f"--{name}" for name in VALUES)
    assert (flags["--layers"], flags["--shuffle"], flags["--nothing"]) == ("[32, 16]", "True", "")
    assert (flags["--huge"], flags["--name"]) == ("12345678901234567890", VALUES["name"])


def test_secrets_are_fetched(here: Shim, aws: AwsEndpoint, network: Network, files: Files, variables_of: Options) -> None:
    """Over a real connection, signed, by reference in a variable and in a file; also the key of a set, and a batch."""
    aws.put_secrets({"interpreters/odd": SECRET, "interpreters/set": json.dumps({"key": SECRET})})
    aws.put_parameters({"/interpreters/one": SECRET})
    references = {
        "ODD": "aws-sm://interpreters/odd",
        "KEY": "aws-sm://interpreters/set#key",
        "ONE": "aws-ssm:///interpreters/one",
    }
    options = (
        *files.bundle(files=[{"path": "/etc/keys/odd", "secret": "aws-sm://interpreters/odd"}]),
        *variables_of({**aws.environment(), **references}),
        *("--network", network.name),
    )
    program = "import json, os; print(json.dumps([os.environ[name] for name in %r] + [open('/etc/keys/odd').read()]))"
    done = here.python(program % list(references), *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [SECRET] * 4


def test_a_failure_keeps_its_status_and_tells_its_reason(here: Shim, tmp_path: Path) -> None:
    """The exit status is the script's, and the end of its stderr is in the failure file."""
    output = tmp_path / "output"
    output.mkdir()
    program = "import sys; print('the data is bad', file=sys.stderr); sys.exit(41)"
    done = here.python(program, "-v", f"{output}:/opt/ml/output")
    assert (done.returncode, done.stderr.endswith("the data is bad\n")) == (41, True)
    assert (output / "failure").read_text() == "exit code 41\nthe data is bad"


def test_term_reaches_the_script(here: Shim) -> None:
    """The script's handler decides how the container ends."""
    name = here.start("python3", "-c", WAITS)
    here.signal(name, "TERM")
    assert here.wait(name) == 23


def test_no_part_of_the_shim_is_warned_about(here: Shim, files: Files) -> None:
    """With warnings as errors every module can be imported, and a script is started: nothing is about to go away."""
    program = """
import importlib, os, sys
sys.path.insert(0, "/opt/lyftlearn")
top = "/opt/lyftlearn/lyftlearn_runtime"
names = [
    os.path.relpath(os.path.join(place, name), "/opt/lyftlearn")[:-3].replace("/", ".")
    for place, _, files in os.walk(top) for name in files if name.endswith(".py") and "serving" not in place
]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
    done = here.run("-W", "error", "-I", "-S", "-c", program, options=("--entrypoint", "/usr/bin/python3"))
    assert done.returncode == 0, done.stderr
    sources = [path for path in (ROOT / "lyftlearn_runtime").rglob("*.py") if "serving" not in path.parts]
    assert int(done.stdout) == len(sources)
    words = ("-W", "error", "-I", "-S", "/opt/lyftlearn/bin/entrypoint", "python3", "-c", "print('ran')")
    options = ("--entrypoint", "/usr/bin/python3", *files.bundle(hyperparameters=VALUES))
    done = here.run(*words, options=options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")
