"""What the SageMaker emulator does otherwise than local mode of the SageMaker Python SDK, versions 2 and 3.

tests/evidence runs the same job through both, and finds these: a difference that is not in this table fails there, and so
does one that is in the table and no longer found. Where the two disagree, the platform's documentation was followed.
"""

from __future__ import annotations

from tests.evidence.differences import KnownDifference

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
        "AWS_ENDPOINT_URL",
        "none",
        _BOTH_SOURCE,
        _JOBS,
        ("environment.AWS_ENDPOINT_URL",),
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
    KnownDifference(
        _V2,
        "code that `source_dir` names",
        "not fetched: the shim runs what is in the image, and says what is missing",
        "mounted at /opt/ml/code",
        f"sagemaker-training-toolkit, files.py, fetches sagemaker_submit_directory; {_V2_SOURCE}",
        ("v2 script mode",),
        ("succeeded",),
    ),
)  # fmt: skip
