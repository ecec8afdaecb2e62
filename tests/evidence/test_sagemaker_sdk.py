"""The SageMaker emulator against the SageMaker Python SDK's local mode, v2 and v3: unmodified scripts, run by both.

The emulator interprets the very request that the same program, with the same SDK, sends to the service.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lyftlearn_image.aws import s3_archives
from lyftlearn_image.platforms.launch import Compiled
from lyftlearn_image.platforms.sagemaker.api_model import validate_request
from lyftlearn_image.run import Status
from tests.evidence.comparing import Outcome, check, differences, listed, unpacked
from tests.evidence.sdk import BUCKET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.session import Embedded
    from tests.evidence.sdk import Sdk

pytestmark = pytest.mark.timeout(900)
HYPERPARAMETERS = {"lr": 0.1, "layers": 3, "title": 'a "b" c', "flag": True, "learning-rate": "1e-3", "word": "sgd"}
ENVIRONMENT = {"PRICE": "$HOME and $$5", "MULTI": "a\nb", "EMPTY": "", "QUOTED": 'it\'s "so"'}
NAME = "evidence-1"


def training(sdk: Sdk, services: Embedded, workspace: Path, channel: tuple[Path, str], **order: Any) -> tuple[Outcome, Outcome]:
    """A training job of SDK v2, here and in local mode."""
    told = {"kind": "training", "name": NAME, "hyperparameters": HYPERPARAMETERS, **order}
    output = workspace / "out"
    place = sdk.run(workspace, local=True, input=channel[0].as_uri(), output=output.as_uri(), **told)
    there = _outcome(place, unpacked(output, workspace / "unpacked"))
    sent = sdk.run(workspace, local=False, input=channel[1], output=f"s3://{BUCKET}/out", **told)
    return emulated(services, "CreateTrainingJob", sent, workspace), there


def emulated(services: Embedded, action: str, sent: Path, workspace: Path) -> Outcome:
    """The outcome of a request that an SDK made, interpreted here."""
    request = json.loads((sent / "request.json").read_text())
    validate_request(action, request)
    if action == "CreateTrainingJob":
        place = f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{request['TrainingJobName']}/output"
        outputs = {name: f"{place}/{name}.tar.gz" for name in ("model", "output")}
    else:
        told = request["ProcessingOutputConfig"]["Outputs"]
        outputs = {one["OutputName"]: one["S3Output"]["S3Uri"].rstrip("/") + "/" for one in told}
    (workspace / "emulated").mkdir()
    compiled = Compiled("sagemaker", action, (request,), {}, outputs)
    run = services.targets["sagemaker"].run(compiled, workspace=workspace / "emulated")
    said = f"{run.exit_code} {run.reason}\n{run.stdout.read_text()}{run.stderr.read_text()}"
    return _witnessed(run.status is Status.COMPLETED, run.artifacts, said)


def _outcome(place: Path, artifacts: Mapping[str, Path]) -> Outcome:
    """The outcome of a run in local mode, of its answer and of what it left."""
    error = json.loads((place / "answer.json").read_text())["error"]
    said = f"{error}\n{(place / 'log').read_text(errors='replace')}"
    return _witnessed(not error, artifacts, said)


def _witnessed(succeeded: bool, artifacts: Mapping[str, Path], said: str) -> Outcome:  # noqa: FBT001 - as Outcome has it
    found = [path for directory in artifacts.values() for path in directory.rglob("witness.json")]
    seen = json.loads(found[0].read_text()) if found else None
    left = {name: listed(directory) for name, directory in artifacts.items()}
    job = seen["environment"].get("TRAINING_JOB_NAME", NAME) if seen else NAME
    return Outcome(succeeded, seen, left, said, (job,))


def test_a_training_job_of_v2(
    sdk2: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path
) -> None:
    """What the script sees and leaves is the same but for what the table explains."""
    environment = {**ENVIRONMENT, "LYFTLEARN_PROGRAM": "witness.py"}
    here, there = training(sdk2, services, tmp_path, channel, image=team_image, environment=environment)
    assert here.seen, here.said
    assert there.seen, there.said
    check("v2 training", differences(here, there))


def test_a_failure_in_v2(sdk2: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path) -> None:
    """A script's exit code, and its failure file, reach both; and what it left before."""
    environment = {**ENVIRONMENT, "LYFTLEARN_PROGRAM": "witness.py"}
    told = {"image": team_image, "environment": environment, "hyperparameters": {"exit-code": 7}}
    here, there = training(sdk2, services, tmp_path, channel, **told)
    assert (here.succeeded, there.succeeded) == (False, False)
    assert here.said.startswith("7 AlgorithmError: the data had no rows, exit code: 7")
    assert "Process exited with code: 7" in there.said
    check("v2 failed training", differences(here, there))


def test_a_real_script_in_v2(sdk2: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path) -> None:
    """A random forest of the parity suite is the same forest, to the last bit of every file."""
    told = {"image": team_image, "environment": {"LYFTLEARN_PROGRAM": "iris_forest.py"}}
    told |= {"hyperparameters": {"n-estimators": 20, "max-depth": 4, "seed": 11}}
    here, there = training(sdk2, services, tmp_path, channel, **told)
    assert (here.succeeded, there.succeeded) == (True, True), (here.said, there.said)
    assert here.left["model"] == there.left["model"]
    assert here.left["model"].keys() == {"model.joblib"}
    below = {name.removeprefix("data/"): digest for name, digest in there.left["output"].items() if name.startswith("data/")}
    assert here.left["output"] == below
    assert below.keys() == {"metrics.json", "X_test.npy"}


def test_script_mode_in_v2(sdk2: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path) -> None:
    """`entry_point` and `source_dir`: local mode mounts the code; the SDK's request says where it is in S3."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "own.py").write_text("print('ran')")
    told = {"image": team_image, "environment": {}, "script": "own.py", "source": str(source)}
    here, there = training(sdk2, services, tmp_path, channel, **told)
    assert "there is no program /opt/ml/code/own.py; is it in the image?" in here.said
    assert "| ran" in there.said
    check("v2 script mode", differences(replace(here, left={}), replace(there, left={})))


@pytest.mark.parametrize("form", ["entrypoint", "script"])
def test_a_processing_job_of_v2(  # noqa: PLR0913, PLR0917 - fixtures
    sdk2: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path, form: str
) -> None:
    """A Processor with an entrypoint of its own, and a ScriptProcessor, which sends its script as an input."""
    script = Path(__file__).parent / "team" / "witness.py"
    how = {"entrypoint": ["python3", "/opt/ml/code/witness.py"]} if form == "entrypoint" else {"script": str(script)}
    told = {"kind": "processing", "name": NAME, "image": team_image, "environment": ENVIRONMENT, "arguments": ["--a", "b c"]}
    # Places of their own, so that neither finds what the other left.
    there_uri, here_uri = (f"s3://{BUCKET}/processed/{uuid.uuid4().hex}" for _ in range(2))
    place = sdk2.run(tmp_path, local=True, input=channel[1], output=there_uri, **told, **how)
    there = _outcome(place, s3_archives.download_outputs(services.s3, {"seen": f"{there_uri}/"}, tmp_path / "collected"))
    sent = sdk2.run(tmp_path, local=False, input=channel[1], output=here_uri, **told, **how)
    here = emulated(services, "CreateProcessingJob", sent, tmp_path)
    assert here.seen, here.said
    assert there.seen, there.said
    there, here = (replace(one, names=(*one.names, uri)) for one, uri in ((there, there_uri), (here, here_uri)))
    check("v2 processing", differences(here, there))


def model_trainer(
    sdk: Sdk, services: Embedded, workspace: Path, channel: tuple[Path, str], **order: Any
) -> tuple[Outcome, Outcome]:
    """A training job of SDK v3, here and in local container mode."""
    told = {"name": NAME, "hyperparameters": HYPERPARAMETERS, "environment": ENVIRONMENT, **order}
    told["output"] = f"s3://{BUCKET}/v3"
    place = sdk.run(workspace, local=True, input=str(channel[0]), **told)
    there = _outcome(place, unpacked(place / "root" / "compressed_artifacts", workspace / "unpacked"))
    sent = sdk.run(workspace, local=False, input=channel[1], **told)
    return emulated(services, "CreateTrainingJob", sent, workspace), there


def test_a_model_trainer_of_v3(
    sdk3: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path
) -> None:
    """Source code as a channel, run by the SDK's own driver scripts, which know nothing of the shim."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "witness.py").write_bytes((Path(__file__).parent / "team" / "witness.py").read_bytes())
    how = {"image": team_image, "source": str(source), "script": "witness.py"}
    here, there = model_trainer(sdk3, services, tmp_path, channel, **how)
    assert here.seen, here.said
    assert there.seen, there.said
    check("v3 training", differences(here, there))


def test_v3_does_not_say_train(
    sdk3: Sdk, services: Embedded, team_image: str, channel: tuple[Path, str], tmp_path: Path
) -> None:
    """A bring-your-own-container job: the service says `train`, local container mode says nothing."""
    environment = {"LYFTLEARN_PROGRAM": "witness.py"}
    here, there = model_trainer(sdk3, services, tmp_path, channel, image=team_image, environment=environment)
    assert "nothing to run: give a command, or `train` with" in there.said
    assert "Process exited with code: 64" in there.said
    found = differences(Outcome(here.succeeded, None, {}), Outcome(there.succeeded, None, {}))
    check("v3 without a command", found)


def test_a_difference_that_nobody_explained_fails() -> None:
    """A planted fault, for the table is held in both directions."""
    explained = {"succeeded": (False, True)}
    check("v2 script mode", explained)
    with pytest.raises(AssertionError, match=r"nobody explained(.|\n)*PRICE"):
        check("v2 script mode", {**explained, "environment.PRICE": ("$$", "$")})
    with pytest.raises(AssertionError, match="are gone"):
        check("v2 script mode", {})
