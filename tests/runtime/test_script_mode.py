"""Script mode in real containers of the image: code and packages that come with a job, as SageMaker's clients send them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_runtime.aws.s3 import split_uri
from tests.archives import tar_gz
from tests.package_index import package_index, wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network
    from tests.package_index import Index
    from tests.runtime.conftest import Files, Shim

    Options = Callable[[dict[str, str]], tuple[str, ...]]

USER, PASSWORD = "index-user-4711", "p%40ss-planted-0815"
# As a restricted pod has it: any UID, and of all that is on the root nothing can be written to.
RESTRICTED = (
    *(
        "--user",
        "4242:0",
        "--read-only",
        "--tmpfs",
        "/tmp:mode=1777",
        "--tmpfs",
        "/opt/ml/code:exec,mode=1777",
        "--tmpfs",
        "/home/lyftlearn:exec,mode=1777",
    ),
    *("-e", "KUBERNETES_SERVICE_HOST=10.0.0.1"),
)
WHEELS = {
    # It wants what the image has, and may not have it twice; and a newer `joblib` than the image's.
    "loveletter-1.0": wheel("loveletter", "1.0", {"loveletter.py": "SAID = 'dear'\n"}, requires=("numpy", "joblib==99.0")),
    "joblib-99.0": wheel("joblib", "99.0", {"joblib/__init__.py": "__version__ = '99.0'\n"}),
    "numpy-99.0": wheel("numpy", "99.0", {"numpy/__init__.py": "raise SystemExit('a second numpy')\n"}),
    "sagemaker_training-99.0": wheel("sagemaker_training", "99.0", {"sagemaker_training/__init__.py": "REAL = 1\n"}),
    "singer-2.0": wheel("singer", "2.0", {"singer.py": "def sing():\n    print('la')\n"}, scripts="sing = singer:sing"),
}
SHOW = """
import json, os, subprocess, sys
import joblib, loveletter, numpy, beside
from sagemaker_training import REAL  # the package itself, where it is installed
print(json.dumps({
    "argv": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "numpy": numpy.__file__, "joblib": joblib.__version__,
    "sing": subprocess.run("sing; python -c 'import loveletter; print(loveletter.SAID)'; head -1 $(command -v pip)", shell=True,
                           capture_output=True, text=True).stdout.splitlines(),
}))
"""


def quoted(values: Mapping[str, Any]) -> str:
    """hyperparameters.json as the v2 SDK makes it: each value is JSON in a string."""
    return json.dumps({key: json.dumps(value) for key, value in values.items()})


@pytest.fixture(scope="module")
def index(network: Network) -> Iterator[Index]:
    """An index that asks for a password."""
    with package_index(network.gateway, WHEELS, f"{USER}:{PASSWORD.replace('%40', '@')}") as started:
        yield started


@pytest.fixture
def ours(shim_in: Callable[[str], Shim], lyftlearn_image_tag: str) -> Shim:
    """The shim as it stands here, in the image."""
    return shim_in(lyftlearn_image_tag)


@pytest.fixture
def given(network: Network, index: Index, aws: AwsEndpoint, variables_of: Options) -> tuple[str, ...]:
    """The options that every container here has: its network, its S3, and its index with a password in the address."""
    url = index.url.replace(f"{USER}:{PASSWORD.replace('%40', '@')}", f"{USER}:{PASSWORD}")
    variables = {"PIP_INDEX_URL": url, "PIP_TRUSTED_HOST": network.gateway, **aws.environment()}
    return ("--network", network.name, *variables_of(variables))


def test_an_estimators_code_runs_with_its_packages(  # noqa: PLR0913, PLR0917 - fixtures
    ours: Shim, files: Files, given: tuple[str, ...], aws: AwsEndpoint, index: Index, bucket_prefix: str
) -> None:
    """From an archive in S3, for any UID on a read-only root, and once: the second start finds what the first has installed.

    What the image has is not installed again, what is to be newer wins, and no program has the password but by its variable.
    """
    bucket, prefix = split_uri(bucket_prefix)
    code = {
        "train.py": SHOW,
        "beside.py": "",
        "requirements.txt": "-r more.txt\nsinger\n",
        "more.txt": "loveletter>=1\nsagemaker-training\n",
    }
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/source/sourcedir.tar.gz", Body=tar_gz(code))
    source = f"{bucket_prefix}/source/sourcedir.tar.gz"
    values = {
        "sagemaker_program": "train.py", "sagemaker_submit_directory": source, "sagemaker_job_name": "est-1",
        "sagemaker_container_log_level": 10, "sagemaker_region": "eu-west-3", "sagemaker_mpi_enabled": False,
        "lr": 0.1, "opt": "sgd", "n": "5", "layers": ["a", 1], "map": {"b": 1, "a": None}, "on": True, "none": None,
    }  # fmt: skip
    options = (*files.put("/opt/ml/input/config/hyperparameters.json", quoted(values)), *given, *RESTRICTED)
    twice = "/opt/lyftlearn/bin/train; /opt/lyftlearn/bin/train"
    index.asked.clear()
    done = ours.run("-c", twice, options=(*options, "--entrypoint", "sh"))
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["argv"] == [
        "--layers", "['a', 1]", "--lr", "0.1", "--map", "a=None,b=1", "-n", "5", "--none", "", "--on", "True", "--opt", "sgd",
    ]  # fmt: skip
    env = first["env"]
    assert (env["SM_MODULE_DIR"], env["SM_MODULE_NAME"], env["SM_USER_ENTRY_POINT"]) == (source, "train", "train.py")
    assert (env["SM_LOG_LEVEL"], env["SAGEMAKER_JOB_NAME"], env["SAGEMAKER_REGION"]) == ("10", "est-1", "eu-west-3")
    assert (env["SM_HP_N"], env["SM_HP_LAYERS"], env["SM_HP_OPT"]) == ("5", '["a",1]', "sgd")
    assert json.loads(env["SM_FRAMEWORK_PARAMS"]) == {"sagemaker_mpi_enabled": False}
    assert json.loads(env["SM_TRAINING_ENV"])["module_dir"] == source
    assert not any(name.startswith("SM_HP_SAGEMAKER") for name in env)
    assert (first["cwd"], first["joblib"]) == ("/opt/ml/code", "99.0")
    assert first["numpy"].startswith("/opt/venv/")
    assert first["sing"][:2] == ["la", "dear"]
    assert first["sing"][2].startswith("#!/home/lyftlearn/.lyftlearn/")
    assert [path for path in index.asked if "numpy" in path] == []
    assert len([path for path in index.asked if path.startswith("/files/singer")]) == 1
    lines = done.stderr.splitlines()
    assert (
        "lyftlearn: installed for /opt/ml/code/requirements.txt: joblib-99.0 loveletter-1.0 sagemaker-training-99.0 singer-2.0"
        in lines
    )
    assert sum("installed for" in line for line in lines) == 1
    assert PASSWORD not in done.stderr


@pytest.mark.parametrize(
    ("code", "options", "told"),
    [
        ({"requirements.txt": "nowhere-to-be-found==3"}, (), "No matching distribution found for nowhere-to-be-found==3"),
        ({"requirements.txt": "loveletter=="}, (), "Invalid requirement: 'loveletter=='"),
        ({"requirements.txt": "loveletter"}, ("-e", "PIP_TRUSTED_HOST="), "is not a trusted or secure host"),
        ({"requirements.txt": "loveletter"}, ("WRONG",), "No matching distribution found for loveletter"),
        ({"requirements.txt": f"--index-url https://{USER}:{PASSWORD}@index.invalid/simple\nx"}, (), "for x"),
        ({"setup.py": "raise SystemExit(3)\n"}, (), "the package"),
    ],
    ids=["nowhere", "malformed", "not trusted", "password", "in the file", "package"],
)
def test_packages_that_cannot_be_had_stop_the_start(  # noqa: PLR0913, PLR0917 - fixtures
    ours: Shim, files: Files, given: tuple[str, ...], code: dict[str, str], options: tuple[str, ...], told: str
) -> None:
    """One line with pip's reason and the index, the code of a configuration that is wrong, no credentials in it."""
    if options == ("WRONG",):
        given = tuple(word.replace(PASSWORD, "another-password-0816") for word in given)
        options = ()
    place = ("-e", "SAGEMAKER_PROGRAM=train.py", "-e", "PIP_RETRIES=0", "-e", "TRAINING_JOB_NAME=j")
    code = {"train.py": "print('ran')", **code}
    mounts = tuple(word for path, text in code.items() for word in files.put(f"/opt/ml/code/{path}", text))
    read = "/opt/lyftlearn/bin/train; echo $?; cat /opt/ml/output/failure"
    output = ("--tmpfs", "/opt/ml/output:mode=1777", "--entrypoint", "sh")
    done = ours.run("-c", read, options=(*given, *RESTRICTED, *place, *mounts, *output, *options))
    code_, _, failure = done.stdout.partition("\n")
    assert code_ == "78", done.stderr
    assert (done.stderr.count("\n"), done.stderr.startswith("lyftlearn: what ")) == (1, True), done.stderr
    assert told in done.stderr
    assert told in failure
    for secret in (USER, PASSWORD, PASSWORD.replace("%40", "@"), "another-password-0816"):
        assert secret not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        pytest.param({"go.sh": "#!/bin/bash\nshopt -q extglob; echo $0 $@"}, "go.sh", "/opt/ml/code/go.sh --lr 0.1", id="bash"),
        pytest.param({"go.sh": "echo $0 $@"}, "go.sh", "/opt/ml/code/go.sh --lr 0.1", id="no shebang"),
        pytest.param({"bin/go": "#!/bin/sh\necho $0 $@"}, "bin/go", "/opt/ml/code/bin/go --lr 0.1", id="command"),
        pytest.param(
            {"src/t.py": "import root, side, sys; print(root.N, side.N, *sys.argv)", "root.py": "N=1", "src/side.py": "N=2"},
            "src/t.py", "1 2 /opt/ml/code/src/t.py --lr 0.1", id="below",
        ),
    ],
)  # fmt: skip
def test_every_kind_of_entry_point_starts(  # noqa: PLR0913, PLR0917 - fixtures
    ours: Shim, files: Files, tmp_path: Path, code: dict[str, str], name: str, said: str
) -> None:
    """As the toolkit starts it, from an archive that is in the container, with no file in it executable."""
    tmp_path.chmod(0o755)
    (tmp_path / "code.tar.gz").write_bytes(tar_gz(code))
    values = {"sagemaker_program": name, "sagemaker_submit_directory": "/in/code.tar.gz", "lr": 0.1}
    options = files.put("/opt/ml/input/config/hyperparameters.json", quoted(values))
    done = ours.run("train", options=(*options, "-v", f"{tmp_path}:/in:ro", *RESTRICTED))
    assert (done.returncode, done.stdout) == (0, f"{said}\n"), done.stderr


def test_a_package_is_installed_and_run_as_a_module(ours: Shim, files: Files, given: tuple[str, ...], tmp_path: Path) -> None:
    """A directory with a setup.py, which pip builds: with what it asks for, and with the requirements beside it."""
    tmp_path.chmod(0o755)
    (tmp_path / "code.tar.gz").write_bytes(
        tar_gz({
            "setup.py": "",
            # A backend of its own, for the index here has no setuptools.
            "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
            "backend.py": (
                "import zipfile\n"
                "def build_wheel(directory, *_):\n"
                "    name, info = 'mine-1.0-py3-none-any.whl', 'mine-1.0.dist-info/'\n"
                "    with zipfile.ZipFile(directory + '/' + name, 'w') as file:\n"
                "        file.writestr('built.py', 'N = 7')\n"
                "        metadata = 'Metadata-Version: 2.1\\nName: mine\\nVersion: 1.0\\nRequires-Dist: singer\\n'\n"
                "        file.writestr(info + 'METADATA', metadata)\n"
                "        file.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
                "        file.writestr(info + 'RECORD', '')\n"
                "    return name\n"
            ),
            "requirements.txt": "loveletter\n",
            "job/main.py": "import built, loveletter, singer, sys; print(built.N, loveletter.SAID, *sys.argv); singer.sing()\n",
            "job/__init__.py": "",
        })
    )  # fmt: skip
    values = {"sagemaker_program": "job/main.py", "sagemaker_submit_directory": "/in/code.tar.gz", "lr": 0.1}
    options = files.put("/opt/ml/input/config/hyperparameters.json", quoted(values))
    done = ours.run("train", options=(*options, "-v", f"{tmp_path}:/in:ro", *given, *RESTRICTED))
    assert (done.returncode, done.stdout) == (0, "7 dear /opt/ml/code/job/main.py --lr 0.1\nla\n"), done.stderr


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("s3://bucket/not/there.tar.gz", 69, "s3://bucket/not/there.tar.gz: there is no such bucket or object"),
        ("/not/there", 78, "there is no /not/there; expected sagemaker_submit_directory to be an archive in S3"),
        ("s3://bucket/a/", 78, "s3://bucket/a/ is no archive"),
    ],
)
def test_code_that_cannot_be_had_stops_the_start(  # noqa: PLR0913, PLR0917 - fixtures
    ours: Shim, files: Files, given: tuple[str, ...], source: str, code: int, told: str
) -> None:
    """One line with its name."""
    values = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}
    options = files.put("/opt/ml/input/config/hyperparameters.json", quoted(values))
    done = ours.run("train", options=(*options, *given))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert told in done.stderr


def test_a_server_whose_packages_cannot_be_had_does_not_start(
    ours: Shim, files: Files, given: tuple[str, ...], tmp_path: Path
) -> None:
    """One line with the code of a configuration that is wrong; a model's directory is only read."""
    (tmp_path / "code").mkdir()
    tmp_path.chmod(0o755)
    (tmp_path / "code" / "requirements.txt").write_text("nowhere-to-be-found==3\n")
    done = ours.run("serve", options=(*given, *RESTRICTED, "-v", f"{tmp_path}:/opt/ml/model:ro"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1), done.stderr
    assert "what /opt/ml/model/code/requirements.txt asks for cannot be installed" in done.stderr
