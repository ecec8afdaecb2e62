"""Runs in an environment that has the SageMaker Python SDK v2: a job in local mode, or the request that it would send.

The order is a JSON file: what to run, where its data are, where its result goes. The answer is one line of JSON.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.estimator import Estimator
from sagemaker.local import LocalSession
from sagemaker.processing import ProcessingInput, ProcessingOutput, Processor, ScriptProcessor
from sagemaker.session import Session


class Sent(Exception):
    """The request is written; the service is not asked."""


def session_of(order):
    boto_session = boto3.Session()
    if order["local"]:
        session = LocalSession(boto_session)
        # Processing takes no local code.
        session.config = {"local": {"local_code": order["kind"] == "training", "container_root": order["root"]}}
        return session

    def keep(params, **_):
        Path(order["request"]).write_text(json.dumps(params, default=str))
        raise Sent

    boto_session.events.register("provide-client-params.sagemaker", keep)
    return Session(boto_session, default_bucket=order["bucket"])


def train(order, session):
    estimator = Estimator(
        image_uri=order["image"],
        role=order["role"],
        instance_count=1,
        instance_type="local" if order["local"] else "ml.m5.large",
        output_path=order["output"],
        hyperparameters=order["hyperparameters"],
        environment=order["environment"],
        sagemaker_session=session,
        **({"entry_point": order["script"], "source_dir": order["source"]} if "source" in order else {}),
        **({} if order["local"] else {"disable_profiler": True, "debugger_hook_config": False}),
    )
    estimator.fit({"train": order["input"]}, job_name=order["name"], wait=order["local"])


def process(order, session):
    common = {
        "image_uri": order["image"],
        "role": order["role"],
        "instance_count": 1,
        "instance_type": "local" if order["local"] else "ml.m5.large",
        "env": order["environment"],
        "sagemaker_session": session,
    }
    run = {
        "inputs": [ProcessingInput(order["input"], "/opt/ml/processing/input", "raw")],
        "outputs": [ProcessingOutput("/opt/ml/processing/output", order["output"], "seen")],
        "arguments": order["arguments"],
        "job_name": order["name"],
        "wait": order["local"],
        "logs": order["local"],
    }
    if "script" in order:
        ScriptProcessor(command=["python3"], **common).run(code=order["script"], **run)
    else:
        Processor(entrypoint=order["entrypoint"], **common).run(**run)


def main():
    order = json.loads(Path(sys.argv[1]).read_text())
    error = ""
    try:
        {"training": train, "processing": process}[order["kind"]](order, session_of(order))
    except Sent:
        pass
    except RuntimeError as failure:
        error = str(failure)
    Path(order["answer"]).write_text(json.dumps({"error": error}))


main()
