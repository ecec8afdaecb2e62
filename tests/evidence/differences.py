"""What the emulators do otherwise than the platforms, and than other programs that play them; and what nobody here knows.

A difference with `cases` was found by tests/evidence, which runs the same request or manifest through both: one that is not
in this table fails there, and so does one that is in the table and no longer found.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownDifference:
    """What is otherwise: `here` in our emulator, `there` in what it was compared with (`against`), and who says so.

    `cases` are the comparisons of tests/evidence that see it, and `places` the places in what was seen there; in a place, `*`
    is any text.
    """

    against: str
    what: str
    here: str
    there: str
    source: str
    cases: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenQuestion:
    """What no source says of a platform, and what our emulator does meanwhile."""

    platform: str
    question: str
    here: str


KNOWN_DIFFERENCES: tuple[KnownDifference, ...] = (
    KnownDifference(
        "SageMaker",
        "several hosts",
        "of files with one name in an archive or a prefix, the first host's stays; ShardedByS3Key gives every n-th key",
        "whose file stays, and which host gets which object, is not documented",
        "SageMaker developer guide, your-algorithms-training-algo-output; API reference, S3DataSource",
    ),
    KnownDifference(
        "SageMaker",
        "a host that fails",
        "the others are sent the stop signal, and SIGKILL after the window of a stop",
        "that the job fails is documented, how the others end is not",
        "SageMaker developer guide, your-algorithms-training-signal-success-failure",
    ),
    KnownDifference(
        "SageMaker",
        "spot interruption",
        "SIGTERM, SIGKILL 120 s later, then a new host; nothing is waited for. Checkpoints are uploaded when the host ends",
        "the signal and its window are users' reports; the new host comes when there is capacity; uploads go on all the time",
        "aws/sagemaker-training-toolkit#173; SageMaker developer guide, model-checkpoints",
    ),
    KnownDifference(
        "SageMaker",
        "tuning",
        "Optuna's samplers; the first trial is in the middle of every range",
        "the service's own search, of which only the strategies' names are documented",
        "SageMaker developer guide, automatic-model-tuning-how-it-works",
    ),
    KnownDifference(
        "SageMaker",
        "shared memory",
        "64 MiB, the engine's default",
        "not documented for training; 64 MB were reported",
        "aws/sagemaker-python-sdk#937",
    ),
    KnownDifference(
        "SageMaker",
        "size of the machine",
        "an instance type's CPUs and memory are limits of the container, and at most what this machine has",
        "a machine of that type, without limits of its container",
        "SageMaker developer guide, your-algorithms-training-algo-running-container",
    ),
    KnownDifference(
        "SageMaker",
        "permissions",
        "a job has its role's credentials, and with them it may do everything at the local endpoint",
        "it may do what the role's policies allow",
        "SageMaker developer guide, sagemaker-roles",
    ),
    KnownDifference(
        "SageMaker",
        "region and endpoint",
        "AWS_REGION, and also AWS_ENDPOINT_URL, so that SDKs find the local endpoint",
        "of these, logs of real jobs show AWS_REGION alone",
        "aws/sagemaker-training-toolkit, trainer.py; public logs of jobs",
    ),
    KnownDifference(
        "SageMaker",
        "container metadata",
        "there is no ECS_CONTAINER_METADATA_URI",
        "logs of real jobs show it; no page documents it",
        "Amazon ECS developer guide, task-metadata-endpoint",
    ),
    KnownDifference(
        "SageMaker",
        "FastFile",
        "the channel is downloaded, and mounted read-only",
        "objects are streamed when a file is read",
        "SageMaker API reference, TrainingInputMode",
    ),
    KnownDifference(
        "SageMaker",
        "updates of endpoints",
        "a changed instance count starts all containers of the endpoint anew, beside the old ones",
        "instances are added or taken away, and the others stay",
        "SageMaker API reference, UpdateEndpointWeightsAndCapacities",
    ),
    KnownDifference(
        "SageMaker",
        "multi-model endpoints",
        "each instance loads every model that it is asked for, and unloads one when its container answers 507",
        "which instances load a model, and when an unused one goes, the service decides by memory and disk",
        "SageMaker developer guide, multi-model-endpoints",
    ),
    KnownDifference(
        "SageMaker",
        "asynchronous endpoints",
        "without MaxConcurrentInvocationsPerInstance an instance has one request at a time",
        "the service chooses a number",
        "SageMaker API reference, AsyncInferenceClientConfig",
    ),
    KnownDifference(
        "SageMaker",
        "model packages",
        "a package is Completed at once: nothing is validated, and no image is scanned",
        "Pending and InProgress come before",
        "SageMaker API reference, DescribeModelPackage",
    ),
    KnownDifference(
        "a cluster",
        "the API server",
        "its variables and a ServiceAccount's token are there; nobody answers",
        "it answers at KUBERNETES_SERVICE_HOST",
        "kubernetes.io/docs/tasks/run-application/access-api-from-pod",
    ),
    KnownDifference(
        "a cluster",
        "AWS identity",
        "a ServiceAccount with a role's annotation has it (IRSA); all others have Pod Identity, with one role",
        "Pod Identity is for ServiceAccounts with an association, each with its own role; the others have no identity",
        "Amazon EKS user guide, pod-id-association",
    ),
    KnownDifference(
        "a cluster",
        "admission",
        "limits of size and count, and this page's fields; no other validation",
        "the API server validates every field, and webhooks may change them",
        "kubernetes.io/docs/reference/access-authn-authz/admission-controllers",
    ),
    KnownDifference(
        "a cluster",
        "ignored signals",
        "a container ignores what the engine was started with ignored, such as 32, which no program can set with the C library",
        "none is ignored but those of the program itself",
        "signal(7): ignored signals stay ignored through execve",
    ),
)

# Against `podman kube play`, by the place of a fact in what a script saw or in the realised environment.
PODMAN = (
    KnownDifference(
        "podman kube play",
        "*/shm*",
        "67108864 bytes, as in recorded pods",
        "65536000",
        "containers.conf(5), shm_size; recorded in pods",
    ),
    KnownDifference(
        "podman kube play",
        "environment/limits/RLIMIT_*",
        "the engine's own limits",
        "those of containers.conf",
        "containers.conf(5), default_ulimits",
    ),
)

OPEN_QUESTIONS: tuple[OpenQuestion, ...] = (
    OpenQuestion(
        "SageMaker",
        "What init-config.json, trainingjobconfig.json, upstreamoutputdataconfig.json and metric-definition-regex.json hold.",
        "these files are not written",
    ),
    OpenQuestion("SageMaker", "What checkpointconfig.json holds besides LocalPath.", "LocalPath alone"),
    OpenQuestion(
        "SageMaker",
        "The environment of today's jobs: published ones are from 2019 to 2021.",
        "the documented variables, and AWS_EXECUTION_ENV as those show it",
    ),
    OpenQuestion(
        "SageMaker",
        "Which signal and how much time a processing job has when it is stopped.",
        "SIGINT, and SIGKILL 120 s later",
    ),
    OpenQuestion(
        "SageMaker",
        "Whether a FastFile channel shows as File in inputdataconfig.json: the guide of 2023 says FastFile.",
        "File, as the guide says today",
    ),
    OpenQuestion(
        "SageMaker",
        "Whether 100 variables and hyperparameters of 2,500 characters are taken, as the API's model says.",
        "they are; the prose of the same model says 256 characters",
    ),
    OpenQuestion("SageMaker", "How a metric's regular expression sees several lines.", "it is applied to each line by itself"),
    OpenQuestion("SageMaker", "Whether trials of a tuning job send training events.", "`watch` takes events of both kinds"),
    OpenQuestion("SageMaker", "The largest body of a real-time invocation.", "6 MiB, as the API's model says"),
    OpenQuestion(
        "SageMaker", "Whether CreateModel takes a model package that nobody has approved.", "it does, whatever the status"
    ),
    OpenQuestion("SageMaker", "How an image whose user is root runs in Studio.", "as the user and group of the AppImageConfig"),
    OpenQuestion(
        "a cluster",
        "What a script sees under CRI-O and on Fargate, such as HOSTNAME and /run.",
        "what it sees under containerd, whose pods were recorded",
    ),
    OpenQuestion(
        "a cluster",
        "What differs on nodes with cgroup v2, as memory.oom.group, which ends all processes of a container at once.",
        "what the engine's kernel does; the recorded node had v1",
    ),
)
