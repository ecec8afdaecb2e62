"""The execution role and the submitter of a workload on SageMaker.

Sources: developer guide, sagemaker-roles ("CreateTrainingJob API: Execution Role Permissions" and its siblings); service
authorization reference, Amazon SageMaker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms import compile as compiler
from lyftlearn_image.platforms.permissions import account as accounts, data
from lyftlearn_image.platforms.permissions.account import Account, Statement, statement
from lyftlearn_image.workload import Job, Notebook, Serving, Trainable, Transform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.workload import Workload

# Action of the API → the kind of resource in its ARN, and where its log goes.
_RESOURCES: Mapping[str, str] = {
    "CreateTrainingJob": "training-job", "CreateProcessingJob": "processing-job", "CreateModel": "model",
    "CreateHyperParameterTuningJob": "hyper-parameter-tuning-job", "CreateTransformJob": "transform-job",
    "CreateEndpointConfig": "endpoint-config", "CreateEndpoint": "endpoint", "CreateImage": "image",
    "CreateImageVersion": "image", "CreateAppImageConfig": "app-image-config",
}  # fmt: skip
# What can be stopped or removed by its own submitter.
_ENDS: Mapping[str, str] = {
    "CreateTrainingJob": "StopTrainingJob", "CreateProcessingJob": "StopProcessingJob",
    "CreateHyperParameterTuningJob": "StopHyperParameterTuningJob", "CreateTransformJob": "StopTransformJob",
    "CreateModel": "DeleteModel", "CreateEndpointConfig": "DeleteEndpointConfig", "CreateEndpoint": "DeleteEndpoint",
    "CreateImage": "DeleteImage", "CreateImageVersion": "DeleteImageVersion", "CreateAppImageConfig": "DeleteAppImageConfig",
}  # fmt: skip
_LOGS: Mapping[str, str] = {
    "training": "TrainingJobs", "tuning": "TrainingJobs", "processing": "ProcessingJobs", "transform": "TransformJobs",
    "serving": "Endpoints/{name}*", "notebook": "studio",
}  # fmt: skip
# Kinds that end by themselves, with something to collect.
_JOBS = ("training", "processing", "tuning", "transform")
# Begins the names of what `wait --events` makes.
_MAILBOXES = "lyftlearn-"
_METRICS: Mapping[str, str] = {
    "training": "/aws/sagemaker/TrainingJobs", "tuning": "/aws/sagemaker/TrainingJobs",
    "processing": "/aws/sagemaker/ProcessingJobs", "transform": "/aws/sagemaker/TransformJobs",
    "serving": "/aws/sagemaker/Endpoints",
}  # fmt: skip


def permissions(workload: Workload, account: Account) -> dict[str, Any]:
    """The policies of the role that the workload runs as, and of whoever submits it."""
    trust = statement("SageMaker", ["sts:AssumeRole"], ["*"])
    del trust["Resource"]
    trust["Principal"] = {"Service": "sagemaker.amazonaws.com"}
    return {
        "execution_role": accounts.policy(_execution(workload, account)),
        "execution_role_trust": {"Version": "2012-10-17", "Statement": [trust]},
        "submitter": accounts.policy(_submitter(workload, account)),
        **({"waiter_by_events": accounts.policy(_by_events(account))} if workload.kind in _JOBS else {}),
    }


def _execution(workload: Workload, account: Account) -> Iterator[Statement]:
    launch = compiler.launch_of(workload)
    compiled = compiler.compile_for("sagemaker", workload, launch)
    reads: list[str] = []
    if isinstance(workload, Job):
        reads += workload.channels.values()
    if isinstance(workload, Serving | Transform):
        reads.append(workload.model)
    if isinstance(workload, Transform):
        reads.append(workload.input)
    checkpoints = [workload.checkpoints] if isinstance(workload, Trainable) and workload.checkpoints else []
    yield from accounts.read_prefixes(account, [*reads, *(f"{one.rstrip('/')}/" for one in checkpoints)])
    yield statement("Bundle", ["s3:GetObject"], accounts.bundles(account, workload, launch.s3_prefix, compiled.objects))
    writes = isinstance(workload, Job | Transform) or (isinstance(workload, Serving) and workload.data_capture)
    yield from accounts.write_prefixes(account, [launch.s3_prefix] if writes else [])
    # A checkpoint that is deleted in the container is deleted in S3 (developer guide, model-checkpoints).
    yield from accounts.write_prefixes(account, checkpoints, deletes=True)
    yield from data.statements(workload, account)
    keys = workload.encryption
    yield data.key_statement("OutputKey", ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"], keys.output_key, account)
    yield data.key_statement("VolumeKey", ["kms:CreateGrant", "kms:DescribeKey"], keys.volume_key, account)
    repository = accounts.repository(workload, account)
    if repository:
        yield statement("RegistryLogin", ["ecr:GetAuthorizationToken"], ["*"])
        pulls = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        yield statement("Pull", pulls, [repository])
    yield from _logs(workload, account)
    if workload.network.subnets and not isinstance(workload, Notebook):
        yield from _network(workload, account)


def _reads(workload: Workload, account: Account, prefix: str) -> Iterator[Statement]:
    """What `logs` and `collect` read."""
    group = account.arn("logs", f"log-group:/aws/sagemaker/{_LOGS[workload.kind].format(name=workload.name)}")
    yield statement("LogStreams", ["logs:DescribeLogStreams"], [group])
    streams = ":log-stream:*" if workload.kind in ("serving", "notebook") else f":log-stream:{workload.name}*"
    yield statement("LogLines", ["logs:GetLogEvents"], [f"{group}{streams}"])
    if workload.kind in _JOBS:
        yield from accounts.read_prefixes(account, [f"{prefix}/"])


def _by_events(account: Account) -> Iterator[Statement]:
    """What `wait --events` makes, uses and removes: a rule, a queue and its dead-letter queue."""
    rule, queues = account.arn("events", f"rule/{_MAILBOXES}*"), account.arn("sqs", f"{_MAILBOXES}*")
    yield statement("Rule", ["events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:DeleteRule"], [rule])
    actions = ("CreateQueue", "SetQueueAttributes", "GetQueueAttributes", "ReceiveMessage", "DeleteMessage", "DeleteQueue")
    yield statement("Queues", [f"sqs:{action}" for action in actions], [queues])


def _logs(workload: Workload, account: Account) -> Iterator[Statement]:
    group = account.arn("logs", f"log-group:/aws/sagemaker/{_LOGS[workload.kind].format(name=workload.name)}")
    yield statement("LogGroup", ["logs:CreateLogGroup"], [group])
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    streams = ":log-stream:*" if workload.kind in ("serving", "notebook") else f":log-stream:{workload.name}*"
    yield statement("Log", actions, [f"{group}{streams}"])
    if namespace := _METRICS.get(workload.kind):
        condition = {"cloudwatch:namespace": [namespace]}
        yield statement("Metrics", ["cloudwatch:PutMetricData"], ["*"], StringEquals=condition)


def _network(workload: Workload, account: Account) -> Iterator[Statement]:
    """Network interfaces in exactly these subnets with exactly these groups; describing takes no resource."""
    network = workload.network
    interfaces = account.arn("ec2", "network-interface/*")
    places = [account.arn("ec2", f"subnet/{one}") for one in network.subnets]
    places += [account.arn("ec2", f"security-group/{one}") for one in network.security_groups]
    yield statement("Interface", ["ec2:CreateNetworkInterface"], [interfaces, *places])
    changes = ["ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"]
    subnets = [account.arn("ec2", f"subnet/{one}") for one in network.subnets]
    yield statement("InterfaceUse", changes, [interfaces], ArnEquals={"ec2:Subnet": sorted(subnets)})
    looks = ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    yield statement("NetworkLook", [f"ec2:Describe{one}" for one in looks], ["*"])


def _submitter(workload: Workload, account: Account) -> Iterator[Statement]:
    launch = compiler.launch_of(workload)
    compiled = compiler.compile_for("sagemaker", workload, launch)
    for action in compiled.actions or (compiled.action,):
        kind = _RESOURCES[action]
        resources = [account.arn("sagemaker", f"{kind}/{workload.name}*")]
        if action == "CreateEndpoint":
            resources.append(account.arn("sagemaker", f"endpoint-config/{workload.name}*"))
        if action == "CreateImageVersion":
            resources.append(account.arn("sagemaker", f"image-version/{workload.name}*/*"))
        does = [f"sagemaker:{action}", f"sagemaker:{action.replace('Create', 'Describe', 1)}", f"sagemaker:{_ENDS[action]}"]
        if action == "CreateHyperParameterTuningJob":
            does.append("sagemaker:ListTrainingJobsForHyperParameterTuningJob")
        if workload.tags and action != "CreateImageVersion":
            does.append("sagemaker:AddTags")
        yield statement(action.removeprefix("Create"), does, resources)
    role = workload.role_arn or account.arn("iam", "role/*").replace(f":{account.region}:", "::", 1)
    yield statement("PassRole", ["iam:PassRole"], [role], StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"})
    yield from accounts.sends(account, workload, launch.s3_prefix, compiled.objects)
    yield from _reads(workload, account, launch.s3_prefix)
