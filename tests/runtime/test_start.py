"""A start from end to end, in real containers: what a script finds, and what is told when it cannot start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_runtime.aws.s3 import split_uri

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lyftlearn_image.emulation.aws.endpoint import AwsEndpoint
    from lyftlearn_image.emulation.docker.network import Network
    from tests.runtime.conftest import Files, Shim

    Options = Callable[[dict[str, str]], tuple[str, ...]]

PLANTED = "planted-9c1f77-secret"
SHOW = "import json, os, sys; print(json.dumps({'argv': sys.argv[1:], 'cwd': os.getcwd(), 'env': dict(os.environ)}))"


def shown(text: str) -> dict[str, Any]:
    """What SHOW has printed."""
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize(
    ("command", "options", "code", "told"),
    [
        pytest.param((), (), 64, "nothing to run: give a command, or `train` with LYFTLEARN_PROGRAM", id="nothing"),
        pytest.param(("train",), (), 64, "`train` has no program: set LYFTLEARN_PROGRAM", id="train without a program"),
        pytest.param(("serve",), (), 64, "serve is not in this version of the image", id="serve"),
        pytest.param(("notebook", "--port", "1"), (), 64, "notebook is not in this version", id="notebook"),
        pytest.param(
            ("train",), ("-e", "LYFTLEARN_PROGRAM=no.py"), 78, "there is no program /opt/ml/code/no.py", id="no program"
        ),
        pytest.param(
            ("train",), ("-e", "SAGEMAKER_PROGRAM=a/b"), 78, "there is no program /opt/ml/code/a/b", id="no executable"
        ),
        pytest.param(("true",), ("-e", "LYFTLEARN_CONTEXT=moon"), 78, "expected one of sagemaker-training", id="context"),
        pytest.param(("true",), ("-e", "LYFTLEARN_STATSD=tcp://x"), 78, "expected udp://host:port, unixgram://", id="statsd"),
        pytest.param(("true",), ("-e", "LYFTLEARN_OBSERVE=/tmp/o#xyz"), 78, "is not <absolute path>#<hex key>", id="observe"),
        pytest.param(("true",), ("-e", "LYFTLEARN_BUNDLE=x"), 78, "expected <place>#sha256=<hex digest>", id="bundle"),
        pytest.param(
            ("true",), ("-e", "LYFTLEARN_BUNDLE=/no#sha256=0"), 69, "/no cannot be read: No such file", id="no bundle"
        ),
        pytest.param(("true",), ("-e", "P=aws-sm://prod/db#key"), 77, "aws-sm://prod/db#key: there are no AWS", id="identity"),
        pytest.param(("no-such-program",), (), 127, "cannot run no-such-program: No such file", id="not found"),
    ],
)
def test_what_cannot_start_is_one_line_that_says_what_to_do(
    shim: Shim, command: tuple[str, ...], options: tuple[str, ...], code: int, told: str
) -> None:
    """With an exit code of its own, and no traceback."""
    done = shim.run(*command, options=options)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("lyftlearn: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"environment": {"A": 1}}, "environment.A is not a string"),
        ({"hyperparameters": []}, "hyperparameters is not an object"),
        ({"job": {"name": "x", "kind": "serving"}}, "job.kind is 'serving'"),
        ({"files": [{"path": "relative", "content": ""}]}, "'relative' is not an absolute path"),
        ({"files": [{"path": "/x"}]}, "/x has neither a text nor a reference"),
        ({"files": [{"path": "/x", "content": "", "mode": "rw"}]}, "malformed"),
        ({"downloads": [{"path": "/x", "uri": "https://x"}]}, "expected an absolute path and an s3:// URI"),
        ({"environment": {"A=B": "x"}}, "'A=B' cannot be a variable"),
        ({"environment": {"BIG": "x" * 140_000}}, "'BIG' cannot be a variable: Linux takes at most 131072 bytes"),
    ],
)
def test_a_malformed_bundle_names_its_place(shim: Shim, files: Files, content: dict[str, Any], told: str) -> None:
    """Before the script runs."""
    done = shim.run("echo", "never", options=files.bundle(**content))
    assert (done.returncode, done.stdout) == (78, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bundle_that_is_not_the_one_that_was_launched_stops_the_start(shim: Shim, files: Files) -> None:
    """The digest is checked before a byte of it is used; so is the version."""
    options = files.bundle()[:-1]
    done = shim.run("true", options=(*options, f"LYFTLEARN_BUNDLE=/etc/lyftlearn/bundle.json#sha256={'0' * 64}"))
    assert done.returncode == 78
    assert "is not the one that was launched" in done.stderr
    newer = shim.run("true", options=files.bundle(version=2))
    assert newer.returncode == 78
    assert "has version 2, this image reads 1" in newer.stderr


def test_an_argv_is_run_as_it_is(shim: Shim) -> None:
    """No word is added, changed or interpreted."""
    words = ["a b", "$HOME", "*", "", "é", "--x=1", "line\nline"]
    done = shim.run("python3", "-c", SHOW, *words)
    assert shown(done.stdout)["argv"] == words


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("/opt/ml/code/t.py", SHOW, "t.py"),
        ("/opt/elsewhere.py", SHOW, "/opt/elsewhere.py"),
        ("/opt/ml/code/pkg/mod.py", SHOW, "pkg.mod"),
        ("/opt/ml/code/run", f"#!/usr/bin/python3\n{SHOW}", "run"),
        ("/opt/ml/code/run.sh", f'exec python3 -c "{SHOW}" "$@"', "run.sh"),
    ],
)
def test_train_runs_a_python_file_a_module_or_an_executable(shim: Shim, files: Files, path: str, text: str, name: str) -> None:
    """Relative to /opt/ml/code or absolute, in /opt/ml/code; what follows `train` comes after the hyperparameters."""
    if path.endswith(".sh"):
        text = "#!/bin/sh\n" + text
    options = (*files.put(path, text), "-e", f"LYFTLEARN_PROGRAM={name}")
    options += files.put("/opt/ml/input/config/hyperparameters.json", '{"lr": "0.1"}')
    options += files.put("/opt/ml/code/beside.txt", "")
    found = shown(shim.run("train", "--extra", options=options).stdout)
    assert found["argv"] == ["--lr", "0.1", "--extra"]
    assert found["cwd"] == "/opt/ml/code"
    assert found["env"]["SM_USER_ENTRY_POINT"] == found["env"]["SM_ENTRY_SCRIPT"] == name


def test_the_program_is_looked_for_in_the_documented_order(shim: Shim, files: Files) -> None:
    """LYFTLEARN_PROGRAM, the hyperparameter sagemaker_program, SAGEMAKER_PROGRAM."""
    options: tuple[str, ...] = ()
    for name in ("a", "b", "c"):
        options += files.put(f"/opt/ml/code/{name}.py", f"print('{name}')")
    options += ("-e", "SAGEMAKER_PROGRAM=c.py")
    assert shim.run("train", options=options).stdout == "c\n"
    options += files.put("/opt/ml/input/config/hyperparameters.json", json.dumps({"sagemaker_program": '"b.py"'}))
    assert shim.run("train", options=options).stdout == "b\n"
    assert shim.run("train", options=(*options, "-e", "LYFTLEARN_PROGRAM=a.py")).stdout == "a\n"


@pytest.mark.parametrize("script", ["train", "lyftlearn-exec"])
def test_the_other_entrypoints_do_the_same(shim: Shim, files: Files, script: str) -> None:
    """Where an orchestrator replaces the image's entrypoint."""
    options = (
        *files.put("/opt/ml/code/t.py", SHOW),
        "-e",
        "LYFTLEARN_PROGRAM=t.py",
        "--entrypoint",
        f"/opt/lyftlearn/bin/{script}",
    )
    command = () if script == "train" else ("train",)
    assert shown(shim.run(*command, options=options).stdout)["env"]["SM_MODULE_NAME"] == "t"


VALUES = {
    "learning-rate": 0.1, "name": 'it\'s $HOME "quoted"\nline', "layers": [1, 2], "flag": True, "code": "5", "é": "ü",
    "nothing": None, "nested": {"b": [1], "a": "x"}, "empty": "",
}  # fmt: skip


@pytest.mark.parametrize("by_bundle", [False, True])
def test_hyperparameters_have_every_shape(
    shim: Shim,
    files: Files,
    by_bundle: bool,  # noqa: FBT001 - a case
) -> None:
    """Flags, both spellings of SM_HP_*, SM_HPS, the typed file, SageMaker's file: one set of values with their types."""
    from lyftlearn_runtime.hyperparameters import encode

    program = SHOW.replace(
        "print",
        "env = dict(os.environ); files = [json.load(open(p)) for p in (env['LYFTLEARN_HYPERPARAMETERS'],"
        " '/opt/ml/input/config/hyperparameters.json')]; print",
    ).replace("'cwd'", "'files': files, 'cwd'")
    options = (*files.put("/opt/ml/code/t.py", program), "-e", "LYFTLEARN_PROGRAM=t.py")
    if by_bundle:
        options += files.bundle(hyperparameters=VALUES)
    else:
        options += files.put("/opt/ml/input/config/hyperparameters.json", json.dumps(encode(VALUES)))
    done = shim.run("train", options=options)
    assert done.returncode == 0, done.stderr
    found = shown(done.stdout)
    assert found["files"] == [VALUES, encode(VALUES)]
    assert json.loads(found["env"]["SM_HPS"]) == VALUES
    assert found["env"]["SM_HP_LEARNING-RATE"] == found["env"]["SM_HP_LEARNING_RATE"] == "0.1"
    assert found["env"]["SM_HP_NAME"] == VALUES["name"]
    assert found["env"]["SM_HP_LAYERS"] == "[1,2]"
    assert found["env"]["SM_HP_NESTED"] == '{"a":"x","b":[1]}'
    argv = found["argv"]
    assert argv[argv.index("--learning-rate") + 1] == "0.1"
    assert argv[argv.index("--name") + 1] == VALUES["name"]
    assert argv[argv.index("--flag") + 1] == "True"
    assert json.loads(found["env"]["SM_USER_ARGS"]) == argv


def test_megabytes_of_hyperparameters_are_in_the_files(shim: Shim, files: Files) -> None:
    """The kernel takes no such variable or argument: one line says what is in the files only, and the script starts."""
    values = {"lr": 0.1, "prompt": "x" * 3_000_000, **{f"k{number:03}": "y" * 20_000 for number in range(200)}}
    program = (
        "import json, os, sys\n"
        "v = json.load(open(os.environ['LYFTLEARN_HYPERPARAMETERS']))\n"
        "print(len(v), len(v['prompt']), os.environ['SM_HP_LR'], '--lr' in sys.argv, '--prompt' in sys.argv)\n"
    )
    options = (*files.bundle(hyperparameters=values), *files.put("/opt/ml/code/t.py", program), "-e", "LYFTLEARN_PROGRAM=t.py")
    done = shim.run("train", options=options)
    assert (done.returncode, done.stdout) == (0, "202 3000000 0.1 True False\n"), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("lyftlearn: too large for a command line or a variable, and in the files only: --")
    assert "--prompt, " in done.stderr
    assert "SM_HPS" in done.stderr


def test_a_variable_of_the_workload_is_never_overwritten(shim: Shim, variables_of: Options) -> None:
    """What somebody set stays, also where the shim has a value of its own."""
    own = {"OMP_NUM_THREADS": "7", "SM_MODEL_DIR": "/mine", "STATSD_HOST": "gateway", "USER": "me", "SM_HPS": "own"}
    found = shown(shim.run("python3", "-c", SHOW, options=variables_of(own)).stdout)["env"]
    assert {name: found[name] for name in own} == own


@pytest.mark.parametrize(("own", "found"), [((), "eu-west-1"), (("-e", "AWS_DEFAULT_REGION=us-west-2"), "us-west-2")])
def test_boto3_finds_the_region_of_the_job(shim: Shim, own: tuple[str, ...], found: str) -> None:
    """It reads AWS_DEFAULT_REGION alone, which SageMaker does not set; one that somebody has set stays."""
    done = shim.run("printenv", "AWS_DEFAULT_REGION", options=("-e", "AWS_REGION=eu-west-1", *own))
    assert done.stdout.strip() == found


def test_the_command_of_the_bundle_is_run_as_it_is(shim: Shim, files: Files) -> None:
    """With its lines and blanks, in the place of the word that stands for it, and of no other."""
    command = ["sh", "-c", 'for word in "$@"; do\n  echo "<$word>"\ndone', "sh", "two words", "", "a\nb"]
    bundle = files.bundle(command=command)
    assert shim.run("bundled-command", options=bundle).stdout == "<two words>\n<>\n<a\nb>\n"
    assert shim.run("echo", "mine", options=bundle).stdout == "mine\n"
    without = shim.run("bundled-command", options=files.bundle())
    assert (without.returncode, without.stdout) == (127, "")


def test_a_variable_of_the_bundle_wins_over_the_images(shim: Shim, files: Files) -> None:
    """It is the workload's own word, which only did not fit the request."""
    options = ("-e", "TZ=UTC", *files.bundle(environment={"TZ": "Europe/Berlin", "MULTI": "a\nb"}))
    found = shown(shim.run("python3", "-c", SHOW, options=options).stdout)["env"]
    assert (found["TZ"], found["MULTI"]) == ("Europe/Berlin", "a\nb")
    assert "LYFTLEARN_BUNDLE" not in found


def test_the_variables_of_both_toolkits_are_there(shim: Shim, files: Files) -> None:
    """37 names of the v2 toolkit and 30 of the v3 driver, measured with AWS' own code, with the values of the files."""
    group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-2", "algo-1"]}
    resources = {
        "current_host": "algo-2", "current_instance_type": "ml.m5.large", "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"], "instance_groups": [group], "network_interface_name": "eth1", "topology": None,
    }  # fmt: skip
    inputs = {"train": {"TrainingInputMode": "File"}, "val-data.v1": {"TrainingInputMode": "File"}}
    config = "/opt/ml/input/config"
    options = (
        *files.put(f"{config}/resourceconfig.json", json.dumps(resources)),
        *files.put(f"{config}/inputdataconfig.json", json.dumps(inputs)),
        *files.put(f"{config}/hyperparameters.json", '{"batch-size": "32", "sagemaker_mpi_enabled": "true"}'),
        *files.put("/opt/ml/code/t.py", SHOW),
        *("-e", "LYFTLEARN_PROGRAM=t.py", "-e", "TRAINING_JOB_NAME=job-1", "--cpus", "1"),
        *("--add-host", "algo-1:127.0.0.2", "--add-host", "algo-2:127.0.0.3"),
    )
    found = shown(shim.run("train", options=options).stdout)["env"]
    both = [
        "HOSTS",
        "NETWORK_INTERFACE_NAME",
        "HPS",
        "USER_ENTRY_POINT",
        "FRAMEWORK_PARAMS",
        "RESOURCE_CONFIG",
        "INPUT_DATA_CONFIG",
        "OUTPUT_DATA_DIR",
        "CHANNELS",
        "CURRENT_HOST",
        "CURRENT_INSTANCE_TYPE",
        "CURRENT_INSTANCE_GROUP",
        "CURRENT_INSTANCE_GROUP_HOSTS",
        "INSTANCE_GROUPS",
        "INSTANCE_GROUPS_DICT",
        "DISTRIBUTION_INSTANCE_GROUPS",
        "IS_HETERO",
        "MODULE_NAME",
        "LOG_LEVEL",
        "FRAMEWORK_MODULE",
        "INPUT_DIR",
        "INPUT_CONFIG_DIR",
        "OUTPUT_DIR",
        "NUM_CPUS",
        "NUM_GPUS",
        "NUM_NEURONS",
        "MODEL_DIR",
        "MODULE_DIR",
        "TRAINING_ENV",
        "USER_ARGS",
        "OUTPUT_INTERMEDIATE_DIR",
        "INPUT_DATA_DIR",
        "OUTPUT_FAILURE",
        "MASTER_ADDR",
        "MASTER_PORT",
        "SOURCE_DIR",
        "ENTRY_SCRIPT",
        "HOST_COUNT",
        "CURRENT_HOST_RANK",
        "HP_BATCH-SIZE",
        "HP_BATCH_SIZE",
        "CHANNEL_TRAIN",
        "CHANNEL_VAL-DATA.V1",
        "CHANNEL_VAL_DATA_V1",
    ]
    assert [name for name in both if f"SM_{name}" not in found] == []
    assert found["SM_HOSTS"] == '["algo-1","algo-2"]'
    assert found["SM_CURRENT_INSTANCE_GROUP_HOSTS"] == '["algo-2","algo-1"]'
    assert (found["SM_CURRENT_HOST_RANK"], found["SM_MASTER_ADDR"], found["SM_IS_HETERO"]) == ("1", "algo-1", "false")
    assert [found[name] for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR")] == ["1", "2", "algo-1"]
    assert found["SM_CHANNELS"] == '["train","val-data.v1"]'
    assert found["SM_CHANNEL_VAL_DATA_V1"] == "/opt/ml/input/data/val-data.v1"
    assert found["SM_RESOURCE_CONFIG"] == json.dumps(resources, sort_keys=True, separators=(",", ":"))
    assert found["SM_FRAMEWORK_PARAMS"] == '{"sagemaker_mpi_enabled":true}'
    assert found["SM_USER_ARGS"] == '["--batch-size","32"]'
    assert (found["SM_NUM_CPUS"], found["OMP_NUM_THREADS"], found["SAGEMAKER_JOB_NAME"]) == ("1", "1", "job-1")
    env = json.loads(found["SM_TRAINING_ENV"])
    assert (env["job_name"], env["hyperparameters"], env["is_master"]) == ("job-1", {"batch-size": 32}, False)


def test_a_script_starts_when_every_host_has_an_address(shim: Shim, files: Files) -> None:
    """A host that never comes is named; one that comes late is waited for."""
    config = "/opt/ml/input/config/resourceconfig.json"
    options = files.put(config, json.dumps({"current_host": "algo-1", "hosts": ["algo-1", "algo-9"]}))
    here = ("--add-host", "algo-1:127.0.0.2", *options, "-e")
    never = shim.run("true", options=(*here, "LYFTLEARN_HOSTS_TIMEOUT=1"))
    assert (never.returncode, "no address for algo-9" in never.stderr) == (69, True)
    name = shim.start("echo", "ready", options=(*here, "LYFTLEARN_HOSTS_TIMEOUT=60", "-e", "PYTHONUNBUFFERED=1"), until="")
    shim.inside(name, "sh", "-c", "echo 127.0.0.9 algo-9 >> /etc/hosts")
    assert shim.wait(name) == 0
    assert "ready" in shim.logs(name)


def test_a_malformed_config_file_names_itself(shim: Shim, files: Files) -> None:
    """Variables that silently say nothing would be worse."""
    done = shim.run("true", options=files.put("/opt/ml/input/config/resourceconfig.json", "{"))
    assert done.returncode == 78
    assert "/opt/ml/input/config/resourceconfig.json cannot be read" in done.stderr


@pytest.mark.parametrize("user", ["0:0", "1000:100", "10001:0", "54321:0"])
@pytest.mark.parametrize("options", [(), ("--read-only", "--tmpfs", "/tmp:mode=1777")], ids=["writable", "read-only"])
def test_every_user_has_a_name_and_a_home_to_write_to(shim: Shim, user: str, options: tuple[str, ...]) -> None:
    """Root, Studio's user, ours, and any UID of group 0, also on a read-only root with only /tmp."""
    program = (
        "import getpass, os, pathlib\n"
        "(pathlib.Path.home() / 'x').write_text('x')\n"
        "cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME', pathlib.Path.home() / '.cache'))\n"
        "cache.mkdir(parents=True, exist_ok=True)\n"
        "print(bool(getpass.getuser()), os.getuid(), os.getgid())\n"
    )
    done = shim.python(program, "--user", user, "-e", "HOME=/nowhere", *options)
    assert done.stdout.split() == ["True", *user.split(":")], done.stderr


def test_secrets_reach_variables_and_files_and_nothing_else(
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options
) -> None:
    """In memory, mode 0400; not in the failure, the observation, or the shim's own environment, in any encoding."""
    aws.put_secrets({"prod/db": json.dumps({"password": PLANTED})})
    script = (
        "import os, sys, json, base64, stat\n"
        "path = '/dev/shm/lyftlearn/secrets/key'\n"
        "print(os.environ['PASSWORD'] == open(path).read(), oct(stat.S_IMODE(os.stat(path).st_mode)))\n"
        "word = os.environ['PASSWORD']\n"
        "print(open('/proc/1/environ').read().count(word), open('/proc/1/cmdline').read().count(word))\n"
        "print(open('/opt/ml/output/data/o.json').read().count(os.environ['PASSWORD']), file=sys.stdout)\n"
        "observed = json.load(open('/opt/ml/output/data/o.json'))\n"
        "print([sorted(observed['variables'][n]) for n in ('PASSWORD', 'URL', 'AWS_SECRET_ACCESS_KEY')])\n"
        "print(observed['files'][path]['sha256'][:7])\n"
        "sys.stdout.flush()\n"
        "sys.exit(f'cannot log in: {word} {json.dumps(word)} {base64.b64encode(word.encode()).decode()}')\n"
    )
    options = (
        *files.bundle(
            files=[{"path": "/dev/shm/lyftlearn/secrets/key", "secret": "aws-sm://prod/db#password"}],
            environment={"URL": "aws-sm://prod/db"},
        ),
        *variables_of({**aws.environment(), "PASSWORD": "aws-sm://prod/db#password"}),
        *("--network", network.name, "-e", "LYFTLEARN_OBSERVE=/opt/ml/output/data/o.json#00ff"),
    )
    log = files.directory / "log"
    log.touch()
    done = shim.python(script, *options, "-v", f"{log}:/dev/termination-log")
    assert done.stdout.splitlines() == ["True 0o400", "0 0", "0", str([["digest"]] * 3), "digest:"], done.stderr
    assert done.returncode == 1
    assert log.read_text() == 'exit code 1\ncannot log in: [secret] "[secret]" [secret]'


def test_a_missing_secret_stops_the_start(shim: Shim, aws: AwsEndpoint, network: Network, variables_of: Options) -> None:
    """The script does not run with half of what it needs."""
    variables = {**aws.environment(), "PASSWORD": "aws-sm://no/such"}
    done = shim.run("echo", "never", options=(*variables_of(variables), "--network", network.name))
    assert (done.returncode, done.stdout) == (69, "")
    assert done.stderr.startswith("lyftlearn: aws-sm://no/such: Secrets Manager at http://")


JOB = {"name": "job-1", "kind": "training", "instance_type": "ml.m5.large"}
POD = ("-e", "KUBERNETES_SERVICE_HOST=10.0.0.1")


def test_a_pod_gets_what_sagemaker_gives_and_takes(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options, bucket_prefix: str
) -> None:
    """Channels come down, the config files are there, model and output go up, the job has its name."""
    bucket, prefix = split_uri(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/in/a/b.csv", Body=b"1,2\n")
    script = (
        "import json, os, pathlib\n"
        "config = pathlib.Path('/opt/ml/input/config')\n"
        "print(pathlib.Path(os.environ['SM_CHANNEL_TRAIN'], 'a/b.csv').read_text().strip(), os.environ['TRAINING_JOB_NAME'])\n"
        "print(sorted(json.loads((config / 'inputdataconfig.json').read_text())['train']))\n"
        "print(os.environ['SM_CURRENT_INSTANCE_TYPE'], json.loads((config / 'hyperparameters.json').read_text()))\n"
        "model = pathlib.Path(os.environ['SM_MODEL_DIR']); model.mkdir(exist_ok=True); (model / 'm').write_text('model')\n"
        "raise SystemExit(3)\n"
    )
    bundle = files.bundle(
        job=JOB,
        hyperparameters={"n": "5"},
        channels={"train": f"{bucket_prefix}/in/"},
        downloads=[{"path": "/opt/ml/input/data/train", "uri": f"{bucket_prefix}/in/"}],
        uploads=[
            {"path": "/opt/ml/model", "uri": f"{bucket_prefix}/out/model.tar.gz"},
            {"path": "/opt/ml/model", "uri": f"{bucket_prefix}/out/files/"},
        ],
    )
    options = (*bundle, *POD, *variables_of(aws.environment()), "--network", network.name, "--user", "4242:0", "--read-only")
    done = shim.python(script, *options, "--tmpfs", "/tmp:mode=1777")
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines() == [
        "1,2 job-1",
        "['RecordWrapperType', 'S3DistributionType', 'TrainingInputMode']",
        "ml.m5.large {'n': '\"5\"'}",
    ]
    listed = aws.s3().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/out/")["Contents"]
    assert [one["Key"].removeprefix(f"{prefix}/out/") for one in listed] == ["files/m", "model.tar.gz"]


def test_a_processing_pod_gets_its_own_files(shim: Shim, files: Files) -> None:
    """processingjobconfig.json with what a pod knows, and no variable of a training job."""
    script = (
        "import json, os\n"
        "print(json.load(open('/opt/ml/config/processingjobconfig.json'))['ProcessingJobName'])\n"
        "print(json.load(open('/opt/ml/config/resourceconfig.json'))['hosts'], os.environ['PROCESSING_JOB_NAME'])\n"
        "print([name for name in os.environ if name.startswith('SM_')])\n"
    )
    done = shim.python(script, *files.bundle(job={**JOB, "kind": "processing"}), *POD)
    assert done.stdout.splitlines() == ["job-1", "['algo-1'] job-1", "[]"], done.stderr


def test_a_pod_of_an_indexed_job_knows_its_place(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options, bucket_prefix: str
) -> None:
    """Hosts, rank and master as on SageMaker, resolved before the script starts; its archive overwrites no other's."""
    script = (
        "import json, os\n"
        "print(*(os.environ[name] for name in ('SM_HOSTS', 'SM_CURRENT_HOST', 'RANK', 'WORLD_SIZE', 'MASTER_ADDR')))\n"
        "print(json.load(open('/opt/ml/input/config/resourceconfig.json'))['current_host'])\n"
    )
    hosts = ["job-0.job", "job-1.job"]
    uploads = [{"path": "/opt/ml/output", "uri": f"{bucket_prefix}/output.tar.gz"}]
    bundle = files.bundle(job={**JOB, "hosts": hosts}, uploads=uploads)
    names = tuple(word for host in hosts for word in ("--add-host", f"{host}:127.0.0.1"))
    given = (*bundle, *POD, *variables_of(aws.environment()), "--network", network.name, *names)
    done = shim.python(script, *given, "-e", "JOB_COMPLETION_INDEX=1")
    assert done.stdout.splitlines() == ['["job-0.job","job-1.job"] job-1.job 1 2 job-0.job', "job-1.job"], done.stderr
    bucket, prefix = bucket_prefix.removeprefix("s3://").split("/")
    assert [one["Key"] for one in aws.s3().list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]] == [
        f"{prefix}/output-1.tar.gz"
    ]
    wrong = shim.python(script, *given, "-e", "JOB_COMPLETION_INDEX=2")
    assert (wrong.returncode, wrong.stdout) == (78, "")
    assert "JOB_COMPLETION_INDEX is '2'; expected 0 to 1" in wrong.stderr


def test_files_that_a_team_mounts_stay(shim: Shim, files: Files) -> None:
    """A ConfigMap at the place of hyperparameters.json is read, and not written to."""
    options = (*files.put("/opt/ml/input/config/hyperparameters.json", '{"a": "1"}'), *files.bundle(job=JOB), *POD)
    found = shown(shim.python(SHOW, *options).stdout)["env"]
    assert found["SM_HPS"] == '{"a":1}'


@pytest.mark.parametrize("code", [0, 5])
def test_an_upload_that_fails_fails_the_job(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options, code: int
) -> None:
    """69 where the script had succeeded, else the script's own code; and it is said."""
    bundle = files.bundle(job=JOB, uploads=[{"path": "/opt/ml/model", "uri": "s3://no-such-bucket-here/m.tar.gz"}])
    options = (*bundle, *POD, *variables_of(aws.environment()), "--network", network.name)
    done = shim.run("sh", "-c", f"exit {code}", options=options)
    assert done.returncode == (code or 69)
    assert done.stderr == "lyftlearn: s3://no-such-bucket-here/m.tar.gz: there is no such bucket or object\n"


def test_a_processing_pod_has_its_directories(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options, bucket_prefix: str
) -> None:
    """Those of its outputs before its script begins; an input has its name wherever it lies."""
    bucket, prefix = split_uri(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/in/d.csv", Body=b"1")
    bundle = files.bundle(
        job={**JOB, "kind": "processing"},
        channels={"raw": f"{bucket_prefix}/in/"},
        downloads=[{"path": "/opt/ml/processing/elsewhere", "uri": f"{bucket_prefix}/in/"}],
        uploads=[{"path": "/opt/ml/processing/output/deep/table", "uri": f"{bucket_prefix}/out/table/"}],
    )
    program = (
        "import json, os; inputs = json.load(open('/opt/ml/config/processingjobconfig.json'))['ProcessingInputs']\n"
        "print(os.listdir('/opt/ml/processing/elsewhere'), inputs[0]['InputName'])\n"
        "open('/opt/ml/processing/output/deep/table/x', 'w').write('1')"
    )
    options = (*bundle, *POD, *variables_of(aws.environment()), "--network", network.name)
    done = shim.python(program, *options)
    assert (done.returncode, done.stdout) == (0, "['d.csv'] raw\n"), done.stderr
    assert aws.s3().get_object(Bucket=bucket, Key=f"{prefix}/out/table/x")["Body"].read() == b"1"


def test_a_full_disk_is_told_as_such(  # noqa: PLR0913, PLR0917 - fixtures
    shim: Shim, files: Files, aws: AwsEndpoint, network: Network, variables_of: Options, bucket_prefix: str
) -> None:
    """It is no fault of the network, and not tried again."""
    bucket, prefix = split_uri(bucket_prefix)
    aws.s3().put_object(Bucket=bucket, Key=f"{prefix}/big", Body=b"x" * 300_000)
    bundle = files.bundle(job=JOB, downloads=[{"path": "/opt/ml/input/data/train", "uri": f"{bucket_prefix}/"}])
    options = (*bundle, *POD, *variables_of(aws.environment()), "--network", network.name)
    done = shim.run("true", options=(*options, "--tmpfs", "/opt/ml/input:size=64k"))
    assert done.returncode == 78
    assert "/opt/ml/input/data/train/.0.big.part cannot be written: No space left on device" in done.stderr


def test_a_failure_leaves_its_reason(shim: Shim, tmp_path: Path) -> None:
    """The end of stderr, cut to what a platform shows; the script's own stderr is complete."""
    log = tmp_path / "log"
    log.touch()
    (tmp_path / "output").mkdir()
    program = "import sys; sys.stderr.write('x' * 5000); sys.exit('the data is bad')"
    done = shim.python(program, "-v", f"{log}:/dev/termination-log", "-v", f"{tmp_path / 'output'}:/opt/ml/output")
    assert done.stderr == "x" * 5000 + "the data is bad\n"
    reason = (tmp_path / "output" / "failure").read_text()
    assert len(reason) == 1024
    assert reason.startswith("exit code 1\nxxx")
    assert reason.endswith("the data is bad")
    assert len(log.read_text()) > 4000


def test_output_is_not_touched(shim: Shim) -> None:
    """Every byte of stdout and stderr arrives, in order."""
    program = "import os\nfor i in range(20000): os.write(1, b'%d\\n' % i); os.write(2, b'%d\\n' % i)"
    done = shim.python(program)
    assert done.stdout == done.stderr == "".join(f"{number}\n" for number in range(20000))


def test_packages_of_a_team_cannot_break_the_shim(shim: Shim, files: Files) -> None:
    """A json.py, a .pth file or a PYTHON* variable of a team is not run by the shim: it starts isolated, without site."""
    packages = "/usr/local/lib/python3.11/dist-packages"
    options = (
        *files.put("/opt/ml/code/json.py", "raise SystemExit(99)"),
        *files.put(f"{packages}/evil.pth", "import os; os._exit(98)"),
        *files.put(f"{packages}/sitecustomize.py", "raise SystemExit(97)"),
        *("-e", "PYTHONPATH=/opt/ml/code", "-e", "PYTHONSTARTUP=/nowhere", "-e", "PYTHONHOME=/nowhere", "-w", "/opt/ml/code"),
    )
    done = shim.run("echo", "fine", options=options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


@pytest.mark.parametrize(
    ("own", "path"), [(None, "/opt/ml/code"), ("/team/lib", "/opt/ml/code:/team/lib"), ("/a:/opt/ml/code", "/a:/opt/ml/code")]
)
def test_a_program_in_a_directory_imports_from_the_code(shim: Shim, files: Files, own: str | None, path: str) -> None:
    """And from a path that is its own. As AWS's toolkit has it; a command that is no program of the code is left alone."""
    program = "import os, rootmod, src.shop.helper, helper; print(os.environ['PYTHONPATH'], rootmod.NAME, helper.NAME)"
    code = (
        *files.put("/opt/ml/code/src/shop/train.py", program),
        *files.put("/opt/ml/code/src/shop/helper.py", "NAME = 'beside'"),
        *files.put("/opt/ml/code/rootmod.py", "NAME = 'root'"),
        *(("-e", f"PYTHONPATH={own}") if own else ()),
    )
    done = shim.run("train", options=(*code, "-e", "LYFTLEARN_PROGRAM=src/shop/train.py"))
    assert (done.returncode, done.stdout) == (0, f"{path} root beside\n"), done.stderr
    done = shim.run("sh", "-c", "echo ${PYTHONPATH-none}", options=code)
    assert done.stdout == f"{own or 'none'}\n"


@pytest.mark.parametrize(
    ("program", "modes", "told"),
    [
        ("priv/t.py", {"priv": 0o700}, "may not enter /opt/ml/code/priv: its mode is 0700, its owner 0:0"),
        ("priv/t.sh", {"priv": 0o700}, "may not enter /opt/ml/code/priv: its mode is 0700"),
        ("priv.t", {"priv": 0o700}, "may not enter /opt/ml/code/priv: its mode is 0700"),
        ("priv/t.py", {"priv/t.py": 0o600}, "may not read /opt/ml/code/priv/t.py: its mode is 0600"),
        ("priv/t.py", {"priv": 0}, "may not enter /opt/ml/code/priv: the image has it for others alone"),
        ("priv/t.py", {".": 0o750}, "may not enter /opt/ml/code: its mode is 0750"),
        ("priv/none.py", {}, "there is no program /opt/ml/code/priv/none.py"),
    ],
)
def test_a_program_behind_a_closed_door_is_told(
    shim: Shim, tmp_path: Path, program: str, modes: dict[str, int], told: str
) -> None:
    """Who may not read or enter what, and how that is mended; root may. What is not there is told as before."""
    (tmp_path / "priv").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    for name in ("t.py", "t.sh"):
        (tmp_path / "priv" / name).write_text("print('ran')\n" if name == "t.py" else "echo ran\n")
        (tmp_path / "priv" / name).chmod(0o644)
    for path, mode in modes.items():
        (tmp_path / path).chmod(mode)
    options = ("-v", f"{tmp_path}:/opt/ml/code:ro", "-e", f"LYFTLEARN_PROGRAM={program}")
    done = shim.run("train", options=(*options, "--user", "4242:4243"))
    assert (done.returncode, done.stdout) == (78, "")
    assert told in done.stderr
    assert not modes or "the user 4242:4243 may not" in done.stderr
    assert not modes or "chmod -R a+rX /opt/ml/code" in done.stderr
    assert shim.run("train", options=options).returncode == (0 if modes else 78)


def test_the_start_is_the_same_twice(shim: Shim, files: Files) -> None:
    """A container that is started again in its own files gives the same result."""
    program = "/opt/lyftlearn/bin/entrypoint python3 -c '{}' && /opt/lyftlearn/bin/entrypoint python3 -c '{}'"
    show = 'import os; print(sorted((k, v) for k, v in os.environ.items() if k != "_"))'
    options = (*files.bundle(job=JOB, hyperparameters={"a": 1}, files=[{"path": "/opt/ml/f", "content": "x"}]), *POD)
    done = shim.run("sh", "-c", program.format(show, show), options=(*options, "--entrypoint", "/usr/bin/env"))
    assert done.returncode == 0, done.stderr
    one, two = done.stdout.splitlines()
    assert one == two


def test_a_fault_of_the_shim_itself_shows_no_value(shim: Shim, tmp_path: Path) -> None:
    """Its kind and its line, for a report; never its text."""
    broken = tmp_path / "posix_user.py"
    broken.write_text(f"def user_variables(*_):\n    raise RuntimeError('{PLANTED}')\n")
    done = shim.run("true", options=("-v", f"{broken}:/opt/lyftlearn/lyftlearn_runtime/posix_user.py:ro"))
    assert done.returncode == 78
    assert PLANTED not in done.stderr
    assert done.stderr == "lyftlearn: a fault of the start itself: RuntimeError at posix_user.py:2; please report it\n"


def test_the_tree_of_a_training_job_is_whole(shim: Shim, files: Files) -> None:
    """A volume over /opt/ml/output hides what the image has there, and a script written for SageMaker makes no directory."""
    script = (
        "import os; print([d for d in ('input/data', 'model', 'output/data', 'checkpoints') if os.path.isdir('/opt/ml/' + d)])"
    )
    done = shim.python(script, *files.bundle(job=JOB), *POD, "--tmpfs", "/opt/ml/output:mode=1777", "--user", "4242:0")
    assert done.stdout == "['input/data', 'model', 'output/data', 'checkpoints']\n", done.stderr


def test_a_start_with_nothing_to_fetch_imports_nothing_slow(shim: Shim, files: Files) -> None:
    """Each of these takes a tenth of such a start or more; they are for secrets, bundles' archives, networks, failures."""
    options = (*files.put("/opt/ml/code/t.py", "print('ran')"), "-e", "LYFTLEARN_PROGRAM=t.py", "-e", "TRAINING_JOB_NAME=j")
    values = files.put("/opt/ml/input/config/hyperparameters.json", json.dumps({"lr": "0.1", "text": "no JSON"}))
    command = ("-I", "-S", "-X", "importtime", "/opt/lyftlearn/bin/entrypoint", "train")
    done = shim.run(*command, options=(*options, *values, "--entrypoint", "/usr/bin/python3"))
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "lyftlearn_runtime.execution" in imported
    slow = {"collections", "enum", "functools", "json", "re", "signal", "socket", "ssl", "subprocess", "threading", "typing"}
    assert imported & slow == set()
