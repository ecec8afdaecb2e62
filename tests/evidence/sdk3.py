"""Runs in an environment that has the SageMaker Python SDK v3: a job in local container mode, or the request of it.

The order and the answer are as in sdk2.py.
"""

import json
import sys
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, SourceCode
from sagemaker.train.model_trainer import Mode, ModelTrainer


class Sent(Exception):
    """The request is written; the service is not asked."""


def session_of(order):
    boto_session = boto3.Session()

    def keep(params, **_):
        Path(order["request"]).write_text(json.dumps(params, default=str))
        raise Sent

    boto_session.events.register("provide-client-params.sagemaker", keep)
    return Session(boto_session, default_bucket=order["bucket"])


def main():
    order = json.loads(Path(sys.argv[1]).read_text())
    where = {"local_container_root": order["root"]} if order["local"] else {}
    trainer = ModelTrainer(
        training_mode=Mode.LOCAL_CONTAINER if order["local"] else Mode.SAGEMAKER_TRAINING_JOB,
        sagemaker_session=session_of(order),
        role=order["role"],
        base_job_name=order["name"],
        training_image=order["image"],
        source_code=SourceCode(source_dir=order["source"], entry_script=order["script"]) if "source" in order else None,
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        output_data_config=OutputDataConfig(s3_output_path=order["output"]),
        hyperparameters=order["hyperparameters"],
        environment=order["environment"],
        **where,
    )
    error = ""
    try:
        trainer.train([InputData(channel_name="train", data_source=order["input"])], wait=order["local"])
    except Sent:
        pass
    except RuntimeError as failure:
        error = str(failure)
    Path(order["answer"]).write_text(json.dumps({"error": error}))


main()
