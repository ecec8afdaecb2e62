"""Opens models where they can be opened: inside the image that made them, never on this machine."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.emulation.docker.container_spec import ContainerSpec, Mount
from lyftlearn_image.errors import LyftlearnError, RunError
from lyftlearn_image.parity.compare.model_reply import Reply, read_reply

if TYPE_CHECKING:
    from lyftlearn_image.emulation.docker.containers import Containers

_PROGRAM = "predict_model.py"
_TOP = "/lyftlearn-model"
# nobody: a pickle runs whatever its author put into it.
_USER = "65534:65534"
_TIMEOUT_S = 120
_POLL_S = 0.2
_MEMORY_BYTES = 4 << 30
_CPUS = 1.0
_PIDS = 256
_TMP_BYTES = 64 << 20
# What a model may say. Beyond it the answer is no answer.
MAX_REPLY_BYTES = 16 << 20
_SHOWN_CHARACTERS = 500
_ENVIRONMENT = (
    ("HOME", "/tmp"),  # noqa: S108 - of the container
    # One thread each, so that sums are made in one order.
    *((name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONHASHSEED", "0"),
)


@dataclass(frozen=True)
class Rows:
    """What models predict on: files of one side or of both. `is_given`: somebody chose them."""

    paths: tuple[Path, ...]
    is_given: bool


class ModelReader:
    """Opens models in an image: each in a container of its own, so that none answers for another one, and none stays.

    The containers have no network, no privileges, another user, a file system that is read-only and limits of memory,
    processes and time; they are given the model and the rows, and are asked by nothing but their output. Safe to use from
    several threads. What a model prints is not kept: it may hold what the script was told in secret.
    """

    def __init__(self, containers: Containers, image: str) -> None:
        self._containers = containers
        self._image = image

    def predict(self, models: tuple[Path, Path], rows: tuple[Rows, Rows]) -> tuple[Reply | RunError, Reply | RunError]:
        """What each of the two predicts, or why it does not."""
        with ThreadPoolExecutor(2, thread_name_prefix="model") as pool:
            left, right = pool.map(self._predict_one, models, rows)
        return left, right

    def _predict_one(self, model: Path, rows: Rows) -> Reply | RunError:
        try:
            with tempfile.TemporaryDirectory(prefix="lyftlearn-") as directory:
                return read_reply(self._run(model, rows, Path(directory)))
        except RunError as error:
            return error
        except (LyftlearnError, OSError) as error:
            return RunError(str(error))

    def _run(self, model: Path, rows: Rows, directory: Path) -> bytes:
        """What the program in the image writes. Raises RunError for what is too much or takes too long."""
        mounts, names = [], []
        for number, path in enumerate((model, *rows.paths)):
            names.append(f"{_TOP}/{number}/{path.name}")
            mounts.append(Mount(names[-1], _readable(path, directory / str(number)), read_only=True))
        name = f"{self._containers.run_id}-model-{uuid.uuid4().hex[:8]}"
        program = f"{_TOP}/{_PROGRAM}"
        spec = ContainerSpec(
            image=self._image,
            name=name,
            entrypoint=("python", program),
            command=(names[0], json.dumps({"given": rows.is_given}), *names[1:]),
            environment=_ENVIRONMENT,
            user=_USER,
            mounts=(
                Mount(program, Path(str(files("lyftlearn_image.parity.compare"))) / _PROGRAM, read_only=True),
                Mount("/tmp", size_bytes=_TMP_BYTES),  # noqa: S108 - of the container
                *mounts,
            ),
            working_dir="/tmp",  # noqa: S108 - as above
            network="none",
            read_only=True,
            cap_drop=("ALL",),
            security_opt=("no-new-privileges",),
            memory_bytes=_MEMORY_BYTES,
            cpus=_CPUS,
            pids_limit=_PIDS,
        )
        out, err = directory / "out", directory / "err"
        self._wait(spec, out, err)
        if not out.stat().st_size:
            raise RunError(
                f"{model.name} could not be opened in {self._image}: the process that opened it died", where=_end(err)
            )
        return out.read_bytes()

    def _wait(self, spec: ContainerSpec, out: Path, err: Path) -> None:
        sizes = {"stdout": 0, "stderr": 0}

        def count(stream: str, data: bytes) -> None:
            sizes[stream] += len(data)
            if sizes[stream] > MAX_REPLY_BYTES:
                raise RunError(f"it writes more than {MAX_REPLY_BYTES >> 20} MiB to {stream}; give fewer rows")

        deadline = time.monotonic() + _TIMEOUT_S
        with self._containers.start(spec, stdout=out, stderr=err, on_chunk=count) as container:
            while not (ended := container.wait(_POLL_S)):
                if time.monotonic() > deadline:
                    raise RunError(f"it takes longer than {_TIMEOUT_S} s")
        if ended.oom_killed:
            raise RunError(f"it takes more than {_MEMORY_BYTES >> 30} GiB of memory")


def _readable(path: Path, directory: Path) -> Path:
    """The file, or a copy that the container's user may read; nobody else on this machine can enter its directory."""
    if path.stat().st_mode & 0o004:
        return path.resolve()
    directory.mkdir()
    copy = directory / path.name
    shutil.copyfile(path, copy)
    copy.chmod(0o444)
    return copy


def _end(path: Path) -> str:
    """The last line of what was printed."""
    lines = path.read_text("utf-8", "replace").strip().splitlines() if path.exists() else []
    return lines[-1][:_SHOWN_CHARACTERS] if lines else ""
