"""What a comparator may use besides the two files."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyftlearn_image.errors import RunError
from lyftlearn_image.targets.containers import ContainerSpec, Mount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.targets.containers import Containers

_PROGRAM = "describe_model.py"
# nobody: the program loads pickles, which run what their author wished.
_USER = "65534:65534"
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Tools:
    """The engine and the image in which models are opened, and the artifacts of both sides."""

    containers: Containers
    image: str
    left: Mapping[str, Path]
    right: Mapping[str, Path]
    workspace: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def describe_models(
        self, left: Path, right: Path, inputs: tuple[Path, Path] | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both models as JSON: class, parameters, fitted attributes, predictions on their inputs.

        They are opened in one container of the image that made them: no network, no privileges, another user, read-only.
        Raises RunError with the program's last line when it fails.
        """
        program = Path(str(files("lyftlearn_image.parity.compare"))) / _PROGRAM
        mounts = [Mount("/describe/program.py", program, read_only=True)]
        arguments = []
        for side, model, rows in (("left", left, inputs and inputs[0]), ("right", right, inputs and inputs[1])):
            mounts.append(Mount(f"/describe/{side}{model.suffix}", model, read_only=True))
            arguments.append(f"/describe/{side}{model.suffix}")
            if rows:
                mounts.append(Mount(f"/describe/{side}-rows{rows.suffix}", rows, read_only=True))
                arguments.append(f"/describe/{side}-rows{rows.suffix}")
            else:
                arguments.append("")
        number = next(self._numbers)
        spec = ContainerSpec(
            image=self.image,
            name=f"{self.containers.run_id}-describe-{self.workspace.parent.name}-{self.workspace.name}-{number}",
            entrypoint=("python", "/describe/program.py"),
            command=tuple(arguments),
            user=_USER,
            mounts=tuple(mounts),
            network="none",
            read_only=True,
            cap_drop=("ALL",),
            security_opt=("no-new-privileges",),
        )
        out, err = self.workspace / f"describe-{number}.out", self.workspace / f"describe-{number}.err"
        with self.containers.start(spec, stdout=out, stderr=err) as running:
            ended = running.wait(_TIMEOUT_S)
        if ended is None or ended.exit_code:
            said = err.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise RunError(f"{left.name} could not be opened in {self.image}", where=said[-1] if said else "it took too long")
        described = json.loads(out.read_text(encoding="utf-8"))
        return described[0], described[1]
