"""Generated workloads: of every kind, with every field that it may have, said or not said."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lyftlearn_image.workload import Workload

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
VARIABLES = st.from_regex(r"V[A-Z0-9_]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("$\n()"), max_size=12)
KEYS = st.sampled_from(["alias/data", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:kms:eu-west-1:111122223333:key/1"])
REFERENCES = st.sampled_from(
    [
        "aws-sm://prod/db#password", "aws-sm://team?optional#k", "aws-ssm:///ml/region", "s3://secrets/key",
        "confidant://service#key", "downward://metadata.name", "downward://limits.cpu", "env://OTHER",
        "aws-sm://prod/api?last-known-good#key",
    ]
)  # fmt: skip
BUCKETS = st.sampled_from(["s3://bucket-a/x/", "s3://bucket-b/y", "s3://bucket-c"])
LABELS = st.dictionaries(st.sampled_from(["team", "example.com/cost-center", "a.b"]), NAMES, max_size=2)
FILES = st.dictionaries(
    st.sampled_from(["/etc/a/x", "/etc/a/y", "/etc/a-b/x", "/srv/k", "/etc/c/name with blanks"]),
    st.builds(lambda text, mode: {"content": text, "mode": mode}, TEXTS, st.sampled_from(["0644", "0400"]))
    | st.builds(lambda reference: {"secret": reference}, REFERENCES)
    | st.builds(lambda text: {"content": text, "owner": "1000:100"}, TEXTS),
    max_size=3,
)
JSON_VALUES = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | st.lists(TEXTS, max_size=2)
METRICS = st.dictionaries(NAMES, st.sampled_from([r"loss=(\S+)", r"acc: ([0-9.]+)"]), min_size=1, max_size=2)
RANGES = (
    st.builds(lambda log: {"type": "float", "low": 0.001, "high": 0.1, "log": log}, st.booleans())
    | st.builds(lambda log: {"type": "int", "low": 1, "high": 64, "log": log}, st.booleans())
    | st.builds(
        lambda values: {"type": "choice", "values": values},
        st.lists(st.sampled_from(["sgd", "5", 5, 0.5, True]), min_size=1, max_size=3),
    )
)
REQUIREMENTS = st.builds(
    lambda key, operator: {"key": key, "operator": operator, **({"values": ["1", "x"]} if operator.endswith("In") else {})},
    NAMES,
    st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
)
TERMS = st.fixed_dictionaries({"matchExpressions": st.lists(REQUIREMENTS, min_size=1, max_size=2)})
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": st.dictionaries(NAMES, NAMES, min_size=1, max_size=1),
        "matchExpressions": st.lists(REQUIREMENTS, min_size=1, max_size=1),
    },
).filter(bool)
POD_TERMS = st.fixed_dictionaries(
    {"topologyKey": NAMES}, optional={"labelSelector": SELECTORS, "namespaces": st.lists(NAMES, min_size=1, max_size=1)}
)
PODS = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.lists(POD_TERMS, min_size=1, max_size=1),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
            st.fixed_dictionaries({"weight": st.integers(1, 100), "podAffinityTerm": POD_TERMS}), min_size=1, max_size=1
        ),
    },
).filter(bool)
AFFINITIES = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.builds(
            lambda terms: {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}},
            st.lists(TERMS, min_size=1, max_size=2),
        ),
        "podAffinity": PODS,
        "podAntiAffinity": PODS,
    },
).filter(bool)
KUBERNETES: dict[str, st.SearchStrategy[Any]] = {
    "namespace": NAMES,
    "service_account": NAMES,
    "read_only_root": st.booleans(),
    "role_arn": st.just("arn:aws:iam::111122223333:role/pod"),
    "secrets": st.dictionaries(VARIABLES.map(lambda name: f"K{name}"), st.sampled_from(["db#password", "a.b#k-1"]), max_size=2),
    "image_pull_secrets": st.lists(NAMES, max_size=2, unique=True),
    "labels": LABELS,
    "annotations": LABELS,
    "node_selector": LABELS,
    "tolerations": st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "key": NAMES, "operator": st.sampled_from(["Exists", "Equal"]), "value": NAMES,
                "effect": st.sampled_from(["NoSchedule", "NoExecute"]), "tolerationSeconds": st.integers(0, 999),
            },
        ).filter(bool),
        max_size=2,
    ),
    "affinity": AFFINITIES,
    "topology_spread": st.lists(
        st.fixed_dictionaries(
            {
                "maxSkew": st.integers(1, 3), "topologyKey": NAMES,
                "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
            },
            optional={"labelSelector": SELECTORS, "minDomains": st.integers(1, 3), "nodeTaintsPolicy": st.just("Honor")},
        ),
        max_size=2,
    ),
    "queue": NAMES,
    "priority_class": NAMES,
    "do_not_disrupt": st.booleans(),
    "requests": st.fixed_dictionaries({}, optional={"cpus": st.just(0.25), "memory_mib": st.integers(1, 60)}),
    "shm_size_mib": st.integers(1, 9999),
    "volumes": st.dictionaries(
        st.sampled_from(["/mnt/a", "/mnt/b", "/srv/disk"]),
        st.fixed_dictionaries(
            {"claim": NAMES}, optional={"sub_path": st.sampled_from(["a", "a/b"]), "read_only": st.booleans()}
        ),
        max_size=2,
    ),
    "disruption_budget": st.builds(
        lambda name, value: {name: value},
        st.sampled_from(["min_available", "max_unavailable"]),
        st.integers(0, 9) | st.sampled_from(["0%", "50%", "100%"]),
    ),
    "autoscaling": st.fixed_dictionaries(
        {"max_replicas": st.integers(3, 9), "cpu_percent": st.integers(1, 200)},
        optional={"min_replicas": st.integers(1, 3), "memory_percent": st.integers(1, 99)},
    ),
    "ingress": st.fixed_dictionaries(
        {"host": st.sampled_from(["a.example.com", "*.example.com"])},
        optional={
            "path": st.sampled_from(["/", "/a", "/a/b"]), "class_name": NAMES, "certificate": NAMES,
            "annotations": st.dictionaries(st.just("nginx.ingress.kubernetes.io/proxy-body-size"), NAMES),
        },
    ),
    "http_route": st.fixed_dictionaries(
        {"gateway": st.sampled_from(["public", "infra/public"])},
        optional={
            "hostnames": st.lists(st.sampled_from(["a.example.com", "*.example.com"]), max_size=2, unique=True),
            "path": st.sampled_from(["/", "/a"]), "listener": NAMES,
        },
    ),
    "deadline_s": st.integers(1, 9999),
    "retries": st.integers(0, 3),
    "pending_timeout_s": st.integers(1, 9999),
    "ttl_s": st.integers(0, 1000),
    "grace_s": st.sampled_from([0, 29, 30, 31, 120]),
}  # fmt: skip
EVERY: dict[str, st.SearchStrategy[Any]] = {
    "output": st.just("s3://bucket-out/runs"),
    "role_arn": st.just("arn:aws:iam::111122223333:role/ml"),
    "environment": st.dictionaries(VARIABLES.map(lambda name: f"E{name}"), TEXTS, max_size=3),
    "secrets": st.dictionaries(VARIABLES.map(lambda name: f"S{name}"), REFERENCES, max_size=2),
    "secret_sets": st.lists(st.sampled_from(["aws-ssm-path:///ml", "confidant://team"]), max_size=2, unique=True),
    "refresh": st.fixed_dictionaries({"every_s": st.integers(1, 99)}, optional={"signal": st.just("HUP")}),
    "files": FILES,
    "tags": st.dictionaries(NAMES, NAMES, max_size=2),
    "network": st.fixed_dictionaries(
        {"isolated": st.booleans(), "encrypted": st.booleans()},
    )
    | st.fixed_dictionaries(
        {
            "subnets": st.lists(st.sampled_from(["subnet-1", "subnet-2"]), min_size=1, unique=True),
            "security_groups": st.lists(st.sampled_from(["sg-1", "sg-2"]), min_size=1, unique=True),
        },
        optional={"isolated": st.booleans(), "encrypted": st.booleans()},
    ),
    "encryption": st.fixed_dictionaries({}, optional={"output_key": KEYS, "volume_key": KEYS}),
    "kubernetes": st.fixed_dictionaries({}, optional=KUBERNETES).map(
        lambda options: {"service_account": "mine", **options} if "role_arn" in options else options
    ),
    "instance_type": st.sampled_from(["ml.m5.large", "ml.c5.xlarge"]),
    "cpus": st.sampled_from([0.5, 1, 2, 4]),
    "memory_mib": st.integers(64, 9999),
    "gpus": st.integers(0, 2),
    "run_as_user": st.integers(1, 99999),
}
JOB: dict[str, st.SearchStrategy[Any]] = EVERY | {
    "arguments": st.sampled_from(["--key value", "key=value", "none"]),
    "hyperparameters": st.dictionaries(st.text("abc-_", min_size=1, max_size=4), JSON_VALUES, max_size=3),
    "channels": st.dictionaries(NAMES, BUCKETS, max_size=3),
    "nodes": st.integers(1, 3),
    "volume_gb": st.integers(1, 99),
    "max_runtime_s": st.integers(60, 9999),
}
TRAINABLE: dict[str, st.SearchStrategy[Any]] = JOB | {
    "metrics": METRICS,
    "checkpoints": BUCKETS,
    "spot": st.builds(lambda wait: {"max_wait_s": 10_000 + wait}, st.integers(0, 99)),
}
MODEL = st.sampled_from(["s3://models/a/model.tar.gz", "s3://models/b/"])
COMMANDS = st.lists(TEXTS.filter(bool), min_size=1, max_size=3)
PATHS = st.sampled_from(["/opt/ml/processing/input", "/opt/ml/processing/in"])
OF_KIND: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "training": TRAINABLE | {
        "program": st.just("train.py"), "command": COMMANDS, "warm_pool_s": st.integers(1, 99),
    },
    "processing": JOB | {
        "command": COMMANDS, "local_paths": st.dictionaries(NAMES, PATHS, max_size=2),
        "outputs": st.dictionaries(NAMES, st.just("/opt/ml/processing/out/x"), max_size=2),
    },
    "tuning": TRAINABLE | {
        "program": st.just("tune.py"), "search_space": st.dictionaries(st.sampled_from(["hp1", "hp2"]), RANGES, min_size=1),
        "objective": st.just(""), "goal": st.sampled_from(["minimize", "maximize"]),
        "strategy": st.sampled_from(["bayesian", "random"]), "max_trials": st.integers(1, 20),
        "parallel_trials": st.integers(1, 5), "early_stopping": st.booleans(), "seed": st.integers(0, 9),
    },
    "serving": EVERY | {
        "model": MODEL, "program": st.just("serve.py"), "replicas": st.integers(1, 3), "startup_s": st.integers(60, 999),
        "data_capture": st.booleans(),
    },
    "transform": EVERY | {
        "model": MODEL, "program": st.just("serve.py"), "input": BUCKETS, "content_type": st.just("text/csv"),
        "accept": st.just("application/json"), "split": st.sampled_from(["None", "Line"]),
        "assemble": st.sampled_from(["None", "Line"]), "batch": st.sampled_from(["MultiRecord", "SingleRecord"]),
        "max_concurrent": st.integers(0, 4), "max_payload_mb": st.integers(0, 6), "timeout_s": st.integers(1, 99),
        "nodes": st.integers(1, 3),
    },
    "notebook": EVERY | {
        "arguments": st.lists(st.sampled_from(["--a", "--b=1"]), max_size=2), "storage_gb": st.integers(1, 99),
        "storage_class": st.just("gp3"),
    },
}  # fmt: skip
REQUIRED = {
    "training": (), "processing": ("command",), "tuning": ("program", "search_space", "metrics", "objective"),
    "serving": ("model",), "transform": ("model", "input"), "notebook": (),
}  # fmt: skip
KINDS = sorted(OF_KIND)


def complete(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with what their combination needs, and without what it excludes."""
    if kind == "training":
        if "command" in fields:
            fields.pop("program", None)
        elif "program" not in fields:
            # As an SDK names it.
            brought = {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://bucket-a/sourcedir.tar.gz"}
            fields["hyperparameters"] = {**fields.get("hyperparameters", {}), **brought}
    if "spot" in fields:
        fields.setdefault("checkpoints", "s3://bucket-a/checkpoints")
        fields.pop("warm_pool_s", None)
    if "local_paths" in fields:
        fields["channels"] = {**fields.get("channels", {}), **dict.fromkeys(fields["local_paths"], "s3://bucket-a/in/")}
        fields["local_paths"] = {name: f"{path}/{number}" for number, (name, path) in enumerate(fields["local_paths"].items())}
    for name in fields.get("kubernetes", {}).get("secrets", {}):
        # Without a reference it would be missing on SageMaker.
        fields["secrets"] = {**fields.get("secrets", {}), name: "aws-sm://prod/db#key"}
    if kind == "tuning":
        fields["objective"] = min(fields["metrics"])
    return fields


def workloads(kind: str) -> st.SearchStrategy[Workload]:
    """Workloads of a kind: each optional field is said or not."""
    fields, required = OF_KIND[kind], REQUIRED[kind]
    return st.fixed_dictionaries(
        {
            "name": st.just("demo"),
            "kind": st.just(kind),
            "image": st.just("team:1"),
            **{name: fields[name] for name in required},
        },
        optional={name: strategy for name, strategy in fields.items() if name not in required},
    ).map(lambda values: Workload.model_validate(complete(kind, values)))


ANY_WORKLOAD = st.sampled_from(KINDS).flatmap(workloads)
