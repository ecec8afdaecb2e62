"""docs/explanation/fidelity.md: what the emulators do of each request and manifest, from the tables that refuse the rest.

The tables are those of the two `fields` modules, so that an entry added there is on the page by itself. What an
emulator does otherwise than the platform, or than another program that plays the platform, is KNOWN_DIFFERENCES.
"""

from __future__ import annotations

from collections.abc import Mapping, Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lyftlearn_image.emulation.kubernetes import fields as kubernetes
from lyftlearn_image.emulation.sagemaker import fields as sagemaker
from lyftlearn_image.platforms.sagemaker import api_model
from tests.evidence.differences import KNOWN_DIFFERENCES, OPEN_QUESTIONS, PODMAN, KnownDifference
from tests.evidence.local_mode import LOCAL_MODE
from tests.evidence.remote_clients import CLIENTS
from tests.evidence.remote_differences import REMOTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Verdict = Literal["implemented", "in part", "ignored", "refused"]


@dataclass(frozen=True)
class Row:
    """One field: what becomes of it here, and the values or the reason."""

    field: str
    verdict: Verdict
    note: str = ""


_INTRODUCTION = """\
# Fidelity

What the two emulators do of a request and of a manifest, field by field. This page is rendered from the very tables by
which they refuse (`lyftlearn_image/emulation/*/fields.py`), and a test compares: after a change there, write it anew with
`pytest tests/evidence/test_fidelity.py --update-golden`.

| Word | Meaning |
| --- | --- |
| implemented | it has the effect that the platform's documentation gives it; where values stand, those alone |
| in part | implemented, and less than on the platform: the note says what |
| ignored | taken, without an effect in the container here, for the reason that stands there |
| refused | the run stops before anything starts, and names the field |

**A field that is not listed is refused**, also one that the platform gets tomorrow.
"""
_EVIDENCE = """\
## Evidence

What these emulators do is held against programs that others wrote, by `tests/evidence/`. Of the differences above, those
from local mode, podman and the clients of `local` are what these tests find: one more, or one fewer, fails them.

| Program | What is compared |
| --- | --- |
"""
_OPEN = """\
## Open questions

What no documentation, API model or published code says, and what is done here meanwhile:

| Platform | Question | Here |
| --- | --- | --- |
"""
_UNTESTED = """\
## What there is no evidence of

- **An API server's own validation.** `kubectl apply --dry-run=client` asks a server for its schemas, also as a client,
  and `--dry-run=server` is the server's; neither is run here. The schemas that Kubernetes publishes are held instead.
- **The services themselves.** No request is sent to SageMaker, and no manifest to a cluster. Of both there is
  what others observed, as above.
"""
# What the evidence tests run, with what is compared.
EVIDENCE: tuple[tuple[str, str], ...] = (
    (
        "SageMaker Python SDK v2, local mode (`tests/evidence/sdk2.txt`)",
        "training (a real script, a failure, all that is seen) and processing: in local mode, and here by the SDK's request",
    ),
    (
        "SageMaker Python SDKs v2 and v3, not in local mode, against `lyftlearn-image local`",
        "jobs of all kinds, logs, analytics, attach, search: what comes of each; every answer against botocore's model",
    ),
    ("SageMaker Python SDK v3, likewise (`sdk3.txt`)", "training: ModelTrainer with source code, and with the image's own"),
    (
        "SageMaker Python SDK v2 against `lyftlearn-image local`",
        "deploy from a fit, of a model, of a package of the registry; predict, streams, asynchronous and multi-model endpoints",
    ),
    (
        "Airflow's Amazon provider against `lyftlearn-image local` (`airflow.txt`)",
        "its SageMaker operators, sensors and hook, each by itself: jobs with their logs, models, endpoints, the registry",
    ),
    (
        "The AWS CLI against `lyftlearn-image local` (`awscli.txt`)",
        "jobs and endpoints: create, wait, describe, list, tag, update, invoke, delete; files in S3, logs",
    ),
    (
        "`podman kube play`",
        "a compiled Job's pod with our image: exit code, streams, artifacts, the script's view, the realised environment",
    ),
    ("Kubernetes' published models, in `lightkube-models`", "every field of every manifest that we make: its name, its type"),
    ("SageMaker's API model, in `botocore`", "every request that we make, and every request of the SDKs above"),
)


@dataclass(frozen=True)
class Recorded:
    """The pods and Jobs of a real cluster that tests replay: how many there are, and how many of them the cluster refused."""

    cases: int
    pods: int
    jobs: int
    refused: int


RECORDED = Recorded(cases=20, pods=143, jobs=6, refused=14)


def render() -> str:
    """The page, as Markdown."""
    parts = [_INTRODUCTION, "## SageMaker\n"]
    for action, table in request_tables(vars(sagemaker)).items():
        parts += [f"### {action}\n", _table(request_rows(action, table, sagemaker.VALUES))]
    parts.append("## Kubernetes\n")
    for shape, rows in manifest_rows(vars(kubernetes)).items():
        parts += [f"### {shape}\n", _table(rows)]
    parts += ["## Known differences\n", _differences((*KNOWN_DIFFERENCES, *REMOTE, *CLIENTS, *LOCAL_MODE, *PODMAN))]
    parts.append(_OPEN + "".join(f"| {one.platform} | {one.question} | {one.here} |\n" for one in OPEN_QUESTIONS))
    parts.append(_EVIDENCE + "".join(f"| {program} | {compared} |\n" for program, compared in EVIDENCE))
    return "\n".join([*parts, _recorded(RECORDED), _UNTESTED])


def request_tables(module: Mapping[str, Any]) -> dict[str, Mapping[str, str | None]]:
    """The tables of requests in a `fields` module, by action: TRAINING is CreateTrainingJob's, UPDATE_ENDPOINT its own."""
    actions = api_model.service_actions()
    found: dict[str, Mapping[str, str | None]] = {}
    for name, table in module.items():
        words = "".join(word.capitalize() for word in name.split("_"))
        for action in (f"Create{words}Job", f"Create{words}", words):
            if name.isupper() and isinstance(table, Mapping) and action in actions:
                found[action] = table
    return found


def request_rows(action: str, table: Mapping[str, str | None], values: Mapping[str, tuple[object, ...]]) -> list[Row]:
    """A row for every field of an action in botocore's model; what is refused as a whole is one row."""
    return list(_request_rows(api_model.input_shape(action), "", table, values))


def _request_rows(
    shape: Any, path: str, table: Mapping[str, str | None], values: Mapping[str, tuple[object, ...]]
) -> Iterator[Row]:
    if path in table:
        reason = table[path]
        if reason is None:
            yield Row(path, "implemented", _words(values.get(path, ())))
        else:
            yield Row(path, "ignored", reason)
    elif path and not any(known.startswith((f"{path}.", f"{path}[")) for known in table):
        yield Row(path, "refused")
    elif shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from _request_rows(member, f"{path}.{name}" if path else name, table, values)
    elif shape.type_name == "list":
        yield from _request_rows(shape.member, f"{path}[]", table, values)
    elif shape.type_name == "map":
        yield from _request_rows(shape.value, f"{path}.*", table, values)


def manifest_rows(module: Mapping[str, Any]) -> dict[str, list[Row]]:
    """The rows of each shape of a manifest, from a `fields` module's tables.

    Two forms of tables are read: by the API's own shapes (IMPLEMENTED, PARTIAL, IGNORED, REFUSED), and by the name of
    the field that holds the object (INEFFECTIVE, and tables of the Job, the Pod, the container and what is in them).
    """
    if "IMPLEMENTED" in module:
        return {shape: list(_shape_rows(shape, known, module)) for shape, known in module["IMPLEMENTED"].items()}
    tables: dict[str, Any] = {
        "metadata": module["_METADATA"], "Job.spec": module["_JOB"], "Pod.spec": module["_POD"],
        "Pod.spec.containers[]": module["_CONTAINER"], **module["_NESTED"],
    }  # fmt: skip
    found = {
        place: [Row(name, "implemented", _words(_values(table, name))) for name in _sorted(table)]
        for place, table in tables.items()
    }
    return {**found, "Wherever it stands": [Row(name, "ignored", reason) for name, reason in module["INEFFECTIVE"].items()]}


def _shape_rows(shape: str, known: Mapping[str, Any], module: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in known.items():
        partial = module.get("PARTIAL", {}).get(f"{shape}.{name}")
        if partial:
            yield Row(name, "in part", partial)
        elif isinstance(value, tuple):
            yield Row(name, "implemented", _words(value))
        else:
            yield Row(name, "implemented", f"see {value}" if value else "")
    for title, verdict in (("IGNORED", "ignored"), ("REFUSED", "refused")):
        for path, reason in module.get(title, {}).items():
            if path.partition(".")[0] == shape:
                yield Row(path.partition(".")[2], verdict, reason)  # type: ignore[arg-type] # the pairs above


def _sorted(table: Mapping[str, Any] | AbstractSet[str]) -> list[str]:
    """A table's names: a mapping's in its order, a set's sorted, for a set has none."""
    return list(table) if isinstance(table, Mapping) else sorted(table)


def _values(table: Mapping[str, Any] | AbstractSet[str], name: str) -> tuple[object, ...]:
    return (table[name] or ()) if isinstance(table, Mapping) else ()


def _words(values: Iterable[object]) -> str:
    """The values as JSON and YAML have them."""
    return ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in values)


def _recorded(told: Recorded) -> str:
    return (
        f"Of a real cluster, {told.pods} pods and {told.jobs} Jobs in {told.cases} cases were recorded, and are replayed "
        f"(`tests/emulation/kubernetes/pods`).\n{told.refused} of them were refused there and are refused here; all others "
        "agree, place by place.\n"
    )


def _table(rows: Iterable[Row]) -> str:
    lines = ["| Field | Here | Values, or why |", "| --- | --- | --- |"]
    lines += [f"| `{row.field}` | {row.verdict} | {row.note} |".replace("|  |", "| |") for row in rows]
    return "\n".join(lines) + "\n"


def _differences(differences: Iterable[KnownDifference]) -> str:
    lines = ["| Against | What | Here | There | Source |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {one.against} | {one.what} | {one.here} | {one.there} | {one.source} |" for one in differences]
    return "\n".join(lines) + "\n"
