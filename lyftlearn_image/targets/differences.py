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


_V2 = "SDK v2, local mode"
_V3 = "SDK v3, local mode"
_BOTH = "SDK v2 and v3, local mode"
_V2_TRAINING = ("v2 training", "v2 failed training")
_V2_JOBS = (*_V2_TRAINING, "v2 processing")
_TRAINING = (*_V2_TRAINING, "v3 training")
_JOBS = (*_V2_JOBS, "v3 training")
_V2_SOURCE = "SDK v2, sagemaker/local/image.py"
_V3_SOURCE = "SDK v3, sagemaker/train/local/local_container.py"
_BOTH_SOURCE = f"{_V2_SOURCE}; {_V3_SOURCE}"
_GUIDE = "SageMaker developer guide, your-algorithms-training-algo-running-container"

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
        "AWS_REGION, and also AWS_DEFAULT_REGION and AWS_ENDPOINT_URL, so that SDKs find the local endpoint",
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

LOCAL_MODE = (
    KnownDifference(
        _BOTH,
        "signs of the service",
        "TRAINING_JOB_ARN, and AWS_EXECUTION_ENV as ECS sets it",
        "neither",
        f"{_GUIDE}; {_BOTH_SOURCE}",
        _TRAINING,
        ("environment.TRAINING_JOB_ARN", "environment.AWS_EXECUTION_ENV"),
    ),
    KnownDifference(
        _V2, "signs of the service in processing", "AWS_EXECUTION_ENV and AWS_REGION", "neither", _V2_SOURCE,
        ("v2 processing",), ("environment.AWS_EXECUTION_ENV", "environment.AWS_REGION"),
    ),
    KnownDifference(
        _BOTH,
        "identity",
        "the job's role, from the credentials endpoint",
        "the keys of the user's own session, as variables",
        f"SageMaker developer guide, sagemaker-roles; {_BOTH_SOURCE}",
        _JOBS,
        (
            "environment.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "environment.AWS_ACCESS_KEY_ID",
            "environment.AWS_SECRET_ACCESS_KEY",
        ),
    ),
    KnownDifference(
        _BOTH,
        "the local endpoint's variables",
        "AWS_ENDPOINT_URL and AWS_DEFAULT_REGION",
        "neither",
        _BOTH_SOURCE,
        _JOBS,
        ("environment.AWS_ENDPOINT_URL", "environment.AWS_DEFAULT_REGION"),
    ),
    KnownDifference(
        _V2, "the endpoint of S3", "that of all services", "a variable of its own, AWS_ENDPOINT_URL_S3", _V2_SOURCE,
        _V2_TRAINING, ("environment.AWS_ENDPOINT_URL_S3",),
    ),
    KnownDifference(
        _BOTH,
        "dollar signs in a variable's value",
        "reach the script as they are, as the API takes them",
        "docker compose replaces `$NAME` by a variable of the user's shell, and `$$` by `$`",
        "docs.docker.com/reference/compose-file/interpolation",
        _JOBS,
        ("environment.PRICE",),
    ),
    KnownDifference(
        _BOTH,
        "instance groups in resourceconfig.json",
        "current_group_name, instance_groups and topology, and the SM_ variables made of them",
        "none",
        f"resourceconfig.json in public logs of jobs; {_BOTH_SOURCE}",
        _JOBS,
        ("*current_group_name", "*.instance_groups*", "*.topology"),
    ),
    KnownDifference(
        _V2,
        "variables of the instance group",
        "the one group that every job has",
        "no group",
        f"{_V2_SOURCE}; sagemaker-training-toolkit, environment.py",
        _V2_TRAINING,
        ("environment.SM_*INSTANCE_GROUP*", "environment.SM_TRAINING_ENV.current_instance_group*"),
    ),
    KnownDifference(
        _BOTH,
        "what inputdataconfig.json says of a channel",
        "S3DistributionType and RecordWrapperType too",
        "TrainingInputMode, and ContentType if given",
        f"{_GUIDE}; {_BOTH_SOURCE}",
        _TRAINING,
        ("*.S3DistributionType", "*.RecordWrapperType"),
    ),
    KnownDifference(
        _V2,
        "the host's name",
        "algo-1, as in jobs",
        "algo-1- and five random characters",
        f"{_GUIDE}; {_V2_SOURCE}",
        _V2_JOBS,
        ("files./opt/ml/*resourceconfig.json.content.current_host", "files./opt/ml/*resourceconfig.json.content.hosts[0]"),
    ),
    KnownDifference(
        _V2,
        "variables of the host's name",
        "algo-1",
        "the random name",
        _V2_SOURCE,
        _V2_TRAINING,
        (
            "environment.*CURRENT_HOST", "environment.SM_HOSTS[0]", "environment.*MASTER_ADDR",
            "environment.SM_RESOURCE_CONFIG.current_host", "environment.SM_RESOURCE_CONFIG.hosts[0]",
            "environment.SM_TRAINING_ENV.*current_host", "environment.SM_TRAINING_ENV.*hosts[0]",
            "environment.SM_TRAINING_ENV.master_*",
        ),
    ),
    KnownDifference(
        _V2,
        "the instance type",
        "the request's",
        "`local`, for local mode has no other",
        _V2_SOURCE,
        _V2_JOBS,
        ("files.*nstance_type",),
    ),
    KnownDifference(
        _V2, "variables of the instance type", "the request's", "`local`", _V2_SOURCE, _V2_TRAINING,
        ("environment.SM_CURRENT_INSTANCE_TYPE", "environment.SM_*.current_instance_type"),
    ),
    KnownDifference(
        _V2,
        "a terminal",
        "none: no stream is one, and TERM is not set",
        "the container has a terminal, and TERM with it",
        f"`docker run` in the developer guide, your-algorithms-training-algo-dockerfile, has no -t; {_V2_SOURCE}",
        _V2_JOBS,
        ("terminal[*]", "environment.TERM"),
    ),
    KnownDifference(
        _BOTH,
        "what is in output.tar.gz",
        "what is below /opt/ml/output/data",
        "all of /opt/ml/output, with `data/` and `failure` in it",
        f"SageMaker developer guide, your-algorithms-training-algo-output; {_BOTH_SOURCE}",
        _TRAINING,
        ("left.output.*",),
    ),
    KnownDifference(
        _V2,
        "what processingjobconfig.json says",
        "the request's, with the job's ARN and null where the guide shows null",
        "the job's name as its ARN, `<no_role>`, `local`, a runtime of a day, and a key DataUri in each input",
        f"SageMaker developer guide, byoc-input-and-output; {_V2_SOURCE}",
        ("v2 processing",),
        tuple(
            f"files./opt/ml/config/processingjobconfig.json.content.{place}"
            for place in (
                "ProcessingJobArn", "RoleArn", "ProcessingResources.ClusterConfig.InstanceType", "StoppingCondition*",
                "ProcessingInputs[*].DataUri", "ProcessingOutputConfig.KmsKeyId",
            )
        ),
    ),
    KnownDifference(
        _V2, "/opt/ml/shared", "not there, as on the service", "a directory that all hosts share", _V2_SOURCE,
        ("v2 processing",), ("files./opt/ml/shared.*",),
    ),
    KnownDifference(
        _V3,
        "the network interface",
        "eth0, as in jobs",
        "ethwe",
        f"resourceconfig.json in public logs of jobs; {_V3_SOURCE}",
        ("v3 training",),
        ("*network_interface_name", "environment.SM_NETWORK_INTERFACE_NAME"),
    ),
    KnownDifference(
        _V3,
        "the command of a job that names none",
        "`train`",
        "none: the image's own CMD runs, and this image has none",
        f"SageMaker developer guide, your-algorithms-training-algo-dockerfile; {_V3_SOURCE}",
        ("v3 without a command",),
        ("succeeded",),
    ),
)  # fmt: skip

# SageMaker's and Kubernetes' own documentation, API models and published code were searched for each of these.
OPEN_QUESTIONS: tuple[OpenQuestion, ...] = (
    OpenQuestion("SageMaker", "How large /dev/shm is in training, processing and hosting.", "64 MiB, the engine's default"),
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
        "Which signal and how much time a spot interruption leaves.",
        "SIGTERM, and SIGKILL 120 s later, as users report it",
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
    OpenQuestion(
        "SageMaker", "How a metric's regular expression sees several lines.", "it is applied to each line by itself"
    ),
    OpenQuestion("SageMaker", "Whether trials of a tuning job send training events.", "they do, for they are training jobs"),
    OpenQuestion("SageMaker", "The largest body of a real-time invocation.", "6 MiB, as the API's model says"),
    OpenQuestion("SageMaker", "How an image whose user is root runs in Studio.", "as the user and group of the AppImageConfig"),
)
