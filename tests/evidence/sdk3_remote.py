"""Runs in an environment that has the SageMaker Python SDK v3, not in its local mode: the service is AWS_ENDPOINT_URL's.

Order and answer are those of remote_program.py.
"""

import contextlib
import io
from pathlib import Path

import remote_program

remote_program.shorten_waits(0.5)

import boto3  # noqa: E402
from sagemaker.core.helper.session_helper import Session  # noqa: E402
from sagemaker.core.parameter import ContinuousParameter  # noqa: E402
from sagemaker.core.processing import ScriptProcessor  # noqa: E402
from sagemaker.core.resources import TrainingJob  # noqa: E402
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output  # noqa: E402
from sagemaker.core.training.configs import Compute, InputData, OutputDataConfig, SourceCode  # noqa: E402
from sagemaker.train.model_trainer import ModelTrainer  # noqa: E402
from sagemaker.train.tuner import HyperparameterTuner  # noqa: E402

METRICS = [{"Name": name, "Regex": name + r"=([0-9.]+);"} for name in ("loss", "score")]


class Cases:
    """Each method is a case; the tuning job begins first, and is looked at last."""

    def __init__(self, order):
        self.order = order
        self.session = Session(boto3.Session(), default_bucket=order["bucket"])
        self.s3 = boto3.client("s3")
        self.data = f"s3://{order['bucket']}/{order['name']}/train/"
        self.output = f"s3://{order['bucket']}/{order['name']}/out"
        self.s3.put_object(Bucket=order["bucket"], Key=f"{order['name']}/train/d.csv", Body=b"1,2\n3,4\n")

    def trainer(self, name, hyperparameters=None, image="image", **changes):
        return ModelTrainer(
            sagemaker_session=self.session, role=self.order["role"], base_job_name=f"{self.order['name']}-{name}",
            training_image=self.order[image], compute=Compute(instance_type="ml.m5.large", instance_count=1),
            output_data_config=OutputDataConfig(s3_output_path=self.output), hyperparameters=hyperparameters or {}, **changes,
        )  # fmt: skip

    def inputs(self):
        return [InputData(channel_name="train", data_source=self.data)]

    def tuner_begins(self):
        ranges = {"alpha": ContinuousParameter(0.01, 0.9)}
        trainer = self.trainer("trial", {"word": "x"})
        self.tuner = HyperparameterTuner(trainer, "score", ranges, METRICS, max_jobs=2, max_parallel_jobs=2)
        self.tuner.tune(self.inputs(), job_name=f"{self.order['name']}-hpo", wait=False)

    def train(self):
        trainer = self.trainer("fit", {"alpha": 0.5})
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train(self.inputs(), wait=True, logs=True)
        self.job = TrainingJob.get(trainer._latest_training_job.training_job_name)
        return {
            "status": self.job.training_job_status,
            "phases": [one.status for one in self.job.secondary_status_transitions],
            "model": self.job.model_artifacts.s3_model_artifacts.rpartition("/")[2],
            "seconds": self.job.training_time_in_seconds >= 1,
        }

    def train_with_source_code(self):
        source = Path(self.order["root"]) / "team"
        source.mkdir()
        (source / "train.py").write_text("import os; print('code of', sorted(os.listdir(os.environ['SM_CHANNEL_TRAIN'])))\n")
        code = SourceCode(source_dir=str(source), entry_script="train.py")
        trainer = self.trainer("code", image="lyftlearn", source_code=code)
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train(self.inputs(), wait=True, logs=True)
        return TrainingJob.get(trainer._latest_training_job.training_job_name).training_job_status

    def failure(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer("fail", {"fail": 3}).train(self.inputs(), wait=True, logs=False)

    def absent(self):
        TrainingJob.get(f"{self.order['name']}-none")

    def listed(self):
        found = TrainingJob.get_all(name_contains=f"{self.order['name']}-fit", sort_by="Name", sort_order="Ascending")
        return len(list(found))

    def processing(self):
        code = Path(self.order["root"]) / "prepare.py"
        code.write_text(
            "import pathlib\n"
            "rows = pathlib.Path('/opt/ml/processing/input/d.csv').read_text()\n"
            "pathlib.Path('/opt/ml/processing/output/rows.csv').write_text(rows)\n"
        )
        processor = ScriptProcessor(
            self.order["role"], self.order["image"], ["python3"], 1, "ml.m5.large", sagemaker_session=self.session
        )
        source = ProcessingS3Input(
            s3_uri=self.data, local_path="/opt/ml/processing/input", s3_data_type="S3Prefix", s3_input_mode="File"
        )
        target = ProcessingS3Output(
            s3_uri=f"{self.output}/prepared", local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob"
        )
        with contextlib.redirect_stdout(io.StringIO()):
            processor.run(
                code=str(code),
                inputs=[ProcessingInput(input_name="rows", s3_input=source)],
                outputs=[ProcessingOutput(output_name="prepared", s3_output=target)],
                wait=True,
            )
        key = f"{self.order['name']}/out/prepared/rows.csv"
        return self.s3.get_object(Bucket=self.order["bucket"], Key=key)["Body"].read().decode()

    def tuner_ends(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.tuner.wait()
        best = TrainingJob.get(self.tuner.best_training_job())
        return {
            "status": best.training_job_status,
            "metrics": sorted({one.metric_name for one in best.final_metric_data_list}),
            "trials": len(self.tuner.analytics().dataframe()),
        }


order = remote_program.read_order()
remote_program.carry_out(order, remote_program.methods(Cases(order), {"trainer", "inputs"}))
