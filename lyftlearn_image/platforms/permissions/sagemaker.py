"""The execution role and the submitter of a workload on SageMaker.

Sources: developer guide, sagemaker-roles ("CreateTrainingJob API: Execution Role Permissions" and its siblings); service
authorization reference, Amazon SageMaker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.compile import launch_for
from lyftlearn_image.platforms.permissions import account as accounts, data
from lyftlearn_image.platforms.permissions.account import Account, Statement, statement
from lyftlearn_image.platforms.sagemaker.all_kinds import workload_kind
from lyftlearn_image.platforms.sagemaker.compile import compile_requests

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.workload import Workload

# Action of the API → the kind of resource in its ARN, and what its submitter stops or removes it by.
_ACTIONS: Mapping[str, tuple[str, str]] = {
    "CreateTrainingJob": ("training-job", "StopTrainingJob"),
    "CreateProcessingJob": ("processing-job", "StopProcessingJob"),
    "CreateHyperParameterTuningJob": ("hyper-parameter-tuning-job", "StopHyperParameterTuningJob"),
    "CreateTransformJob": ("transform-job", "StopTransformJob"),
    "CreateModel": ("model", "DeleteModel"),
    "CreateEndpointConfig": ("endpoint-config", "DeleteEndpointConfig"),
    "CreateEndpoint": ("endpoint", "DeleteEndpoint"),
    "CreateImage": ("image", "DeleteImage"),
    "CreateImageVersion": ("image", "DeleteImageVersion"),
    "CreateAppImageConfig": ("app-image-config", "DeleteAppImageConfig"),
}
# Begins the names of what `wait --events` makes.
_MAILBOXES = "lyftlearn-"


def permissions(workload: Workload, account: Account) -> dict[str, Any]:
    """The policies of the role that the workload runs as, and of whoever submits it."""
    trust = statement("SageMaker", ["sts:AssumeRole"], ["*"])
    del trust["Resource"]
    trust["Principal"] = {"Service": "sagemaker.amazonaws.com"}
    return {
        "execution_role": accounts.policy(_execution(workload, account)),
        "execution_role_trust": {"Version": "2012-10-17", "Statement": [trust]},
        "submitter": accounts.policy(_submitter(workload, account)),
        **({"waiter_by_events": accounts.policy(_by_events(account))} if workload_kind(workload.kind).is_job else {}),
        **({"submitter_by_queue": accounts.policy(_by_queue(workload, account))} if workload.kind == "training" else {}),
    }


def _execution(workload: Workload, account: Account) -> Iterator[Statement]:
    launch, kind = launch_for(workload), workload_kind(workload.kind)
    compiled = compile_requests(workload, launch)
    reads = accounts.field_uris(workload, kind.reads)
    checkpoints = accounts.field_uris(workload, kind.synchronises)
    yield from accounts.read_prefixes(account, [*reads, *accounts.prefixes(checkpoints)])
    yield statement("Bundle", ["s3:GetObject"], accounts.bundles(account, workload, launch.s3_prefix, compiled.objects))
    yield from accounts.write_prefixes(account, [launch.s3_prefix] if kind.writes(workload) else [])
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
    if workload.network.subnets and kind.has_own_network:
        yield from _network(workload, account)


def _reads(workload: Workload, account: Account, prefix: str) -> Iterator[Statement]:
    """What `logs` and `collect` read."""
    group, streams = _log_arns(workload, account)
    yield statement("LogStreams", ["logs:DescribeLogStreams"], [group])
    yield statement("LogLines", ["logs:GetLogEvents"], [streams])
    if workload_kind(workload.kind).is_job:
        yield from accounts.read_prefixes(account, [f"{prefix}/"])


def _by_events(account: Account) -> Iterator[Statement]:
    """What `wait --events` makes, uses and removes: a rule, a queue and its dead-letter queue."""
    rule, queues = account.arn("events", f"rule/{_MAILBOXES}*"), account.arn("sqs", f"{_MAILBOXES}*")
    yield statement("Rule", ["events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:DeleteRule"], [rule])
    actions = ("CreateQueue", "SetQueueAttributes", "GetQueueAttributes", "ReceiveMessage", "DeleteMessage", "DeleteQueue")
    yield statement("Queues", [f"sqs:{action}" for action in actions], [queues])


def _by_queue(workload: Workload, account: Account) -> Iterator[Statement]:
    """What `submit --queue` needs besides the submitter's: any queue, and its jobs, whose ids are the service's to choose.

    Source: service authorization reference, "Actions, resources, and condition keys for AWS Batch"; a list has no resource.
    """
    jobs = account.arn("batch", "service-job/*")
    submits = ["batch:SubmitServiceJob", *(["batch:TagResource"] if workload.tags else [])]
    yield statement("Submit", submits, [account.arn("batch", "job-queue/*"), jobs])
    yield statement("Stop", ["batch:TerminateServiceJob"], [jobs])
    yield statement("Look", ["batch:ListServiceJobs"], ["*"])


def _logs(workload: Workload, account: Account) -> Iterator[Statement]:
    group, streams = _log_arns(workload, account)
    yield statement("LogGroup", ["logs:CreateLogGroup"], [group])
    actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    yield statement("Log", actions, [streams])
    if namespace := workload_kind(workload.kind).metrics_namespace:
        condition = {"cloudwatch:namespace": [namespace]}
        yield statement("Metrics", ["cloudwatch:PutMetricData"], ["*"], StringEquals=condition)


def _log_arns(workload: Workload, account: Account) -> tuple[str, str]:
    """The log group, and the workload's streams in it."""
    kind = workload_kind(workload.kind)
    group = account.arn("logs", f"log-group:/aws/sagemaker/{kind.log_group.format(name=workload.name)}")
    return group, f"{group}:log-stream:{kind.log_streams.format(name=workload.name)}"


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
    launch = launch_for(workload)
    compiled = compile_requests(workload, launch)
    for action, _ in compiled.requests():
        resource, end = _ACTIONS[action]
        resources = [account.arn("sagemaker", f"{resource}/{workload.name}*")]
        if action == "CreateEndpoint":
            resources.append(account.arn("sagemaker", f"endpoint-config/{workload.name}*"))
        if action == "CreateImageVersion":
            resources.append(account.arn("sagemaker", f"image-version/{workload.name}*/*"))
        does = [f"sagemaker:{action}", f"sagemaker:{action.replace('Create', 'Describe', 1)}", f"sagemaker:{end}"]
        if action == "CreateHyperParameterTuningJob":
            does.append("sagemaker:ListTrainingJobsForHyperParameterTuningJob")
        if workload.tags and action != "CreateImageVersion":
            does.append("sagemaker:AddTags")
        yield statement(action.removeprefix("Create"), does, resources)
    role = workload.role_arn or account.arn("iam", "role/*").replace(f":{account.region}:", "::", 1)
    yield statement("PassRole", ["iam:PassRole"], [role], StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"})
    yield from accounts.send_bundle(account, workload, launch.s3_prefix, compiled.objects)
    yield from _reads(workload, account, launch.s3_prefix)
