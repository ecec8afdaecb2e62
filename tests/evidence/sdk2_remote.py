"""Runs in an environment that has the SageMaker Python SDK v2, not in its local mode: the service is AWS_ENDPOINT_URL's.

Order and answer are those of remote_program.py.
"""

import contextlib
import io
from pathlib import Path

import remote_program

remote_program.shorten_waits(0.5)

import boto3  # noqa: E402
from sagemaker.analytics import TrainingJobAnalytics  # noqa: E402
from sagemaker.estimator import Estimator  # noqa: E402
from sagemaker.experiments.run import Run  # noqa: E402
from sagemaker.inputs import TrainingInput  # noqa: E402
from sagemaker.model import Model  # noqa: E402
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor  # noqa: E402
from sagemaker.session import Session  # noqa: E402
from sagemaker.transformer import Transformer  # noqa: E402
from sagemaker.tuner import ContinuousParameter, HyperparameterTuner  # noqa: E402
from sagemaker.workflow.pipeline import Pipeline  # noqa: E402

METRICS = [{"Name": name, "Regex": name + r"=([0-9.]+);"} for name in ("loss", "score")]


class Cases:
    """Each method is a case; those that begin a job without a wait come first, and others look at it later."""

    def __init__(self, order):
        self.order = order
        self.session = Session(boto3.Session(), default_bucket=order["bucket"])
        self.s3 = boto3.client("s3")
        self.data = f"s3://{order['bucket']}/{order['name']}/train/"
        self.output = f"s3://{order['bucket']}/{order['name']}/out"
        self.s3.put_object(Bucket=order["bucket"], Key=f"{order['name']}/train/d.csv", Body=b"1,2\n3,4\n")

    def estimator(self, **changes):
        hyperparameters = {"alpha": 0.5, **changes.pop("hyperparameters", {})}
        common = {"role": self.order["role"], "instance_count": 1, "instance_type": "ml.m5.large", "output_path": self.output}
        return Estimator(
            image_uri=self.order[changes.pop("image", "image")],
            sagemaker_session=self.session,
            hyperparameters=hyperparameters,
            **common,
            **changes,
        )

    def tuner_begins(self):
        estimator = self.estimator(hyperparameters={})
        estimator.set_hyperparameters(word="x")
        ranges = {"alpha": ContinuousParameter(0.01, 0.9)}
        self.tuner = HyperparameterTuner(estimator, "score", ranges, METRICS, max_jobs=2, max_parallel_jobs=2)
        self.tuner.fit({"train": self.data}, job_name=f"{self.order['name']}-hpo", include_cls_metadata=False, wait=False)

    def fit_with_defaults(self):
        self.fitted = self.estimator(metric_definitions=METRICS, tags=[{"Key": "team", "Value": "eta"}])
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.fitted.fit({"train": self.data}, job_name=f"{self.order['name']}-fit", logs="All")
        job = self.fitted.latest_training_job.describe()
        return {
            "log": [line.split("m", 1)[-1] for line in said.getvalue().splitlines() if "loss=" in line],
            "phases": [one["Status"] for one in job["SecondaryStatusTransitions"]],
            "told phases": "Training - Training image download completed. Training in progress." in said.getvalue(),
            "told seconds": "Training seconds: " in said.getvalue() and "Billable seconds: " in said.getvalue(),
            "account": job["TrainingJobArn"].split(":")[4],
        }

    def model_data(self):
        bucket, _, key = self.fitted.model_data.removeprefix("s3://").partition("/")
        return {"there": bool(self.s3.head_object(Bucket=bucket, Key=key)), "name": key.rpartition("/")[2]}

    def analytics(self):
        table = self.fitted.training_job_analytics.dataframe()
        return {name: float(value) for name, value in table.groupby("metric_name")["value"].mean().items()}

    def analytics_by_name(self):
        table = TrainingJobAnalytics(f"{self.order['name']}-fit", ["loss"], sagemaker_session=self.session).dataframe()
        return sorted(set(table["metric_name"]))

    def attach(self):
        attached = Estimator.attach(f"{self.order['name']}-fit", sagemaker_session=self.session)
        return {
            "hyperparameters": attached.hyperparameters(),
            "instance": attached.instance_type,
            "same model": attached.model_data == self.fitted.model_data,
            "tags": attached.tags,
        }

    def attach_to_none(self):
        Estimator.attach(f"{self.order['name']}-none", sagemaker_session=self.session)

    def fit_in_script_mode(self):
        source = Path(self.order["root"]) / "team"
        source.mkdir()
        (source / "helper.py").write_text("WORD = 'helped'\n")
        (source / "train.py").write_text(
            "import argparse, os, pathlib, helper\n"
            "parser = argparse.ArgumentParser()\n"
            "parser.add_argument('--alpha', type=float)\n"
            "parser.add_argument('--model-dir', default=os.environ['SM_MODEL_DIR'])\n"
            "told = parser.parse_args()\n"
            "print(helper.WORD, told.alpha, sorted(os.listdir(os.environ['SM_CHANNEL_TRAIN'])), flush=True)\n"
            "pathlib.Path(told.model_dir, 'm').write_text('x')\n"
        )
        estimator = self.estimator(image="lyftlearn", entry_point="train.py", source_dir=str(source))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            estimator.fit({"train": self.data}, logs="All")
        return "helped 0.5 ['d.csv']" in said.getvalue()

    def fit_of_a_failure(self):
        self.estimator(hyperparameters={"fail": 3}).fit({"train": self.data}, logs=False)

    def fit_of_no_data(self):
        self.estimator().fit({"train": f"{self.data}none/"}, logs=False)

    def fit_on_spot_capacity(self):
        estimator = self.estimator(
            use_spot_instances=True, max_run=300, max_wait=600, checkpoint_s3_uri=f"{self.output}/checkpoints",
            disable_profiler=True, debugger_hook_config=False,
        )  # fmt: skip
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            estimator.fit({"train": TrainingInput(self.data, content_type="text/csv")}, logs="All")
        job = estimator.latest_training_job.describe()
        return {
            "checkpoints": self.s3.list_objects_v2(
                Bucket=self.order["bucket"], Prefix=f"{self.order['name']}/out/checkpoints"
            )["KeyCount"],
            "savings told": "Managed Spot Training savings" in said.getvalue(),
            "savings": job["TrainingTimeInSeconds"] - job["BillableTimeInSeconds"],
        }  # fmt: skip

    def fit_that_is_stopped(self):
        estimator = self.estimator(hyperparameters={"sleep": 60})
        estimator.fit({"train": self.data}, wait=False)
        self.session.stop_training_job(estimator.latest_training_job.name)
        waiter = self.session.sagemaker_client.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=estimator.latest_training_job.name, WaiterConfig={"Delay": 1, "MaxAttempts": 1000})
        return estimator.latest_training_job.describe()["TrainingJobStatus"]

    def fit_with_remote_debug(self):
        self.estimator(enable_remote_debug=True).fit({"train": self.data}, wait=False)

    def fit_on_a_gpu(self):
        estimator = self.estimator()
        estimator.instance_type = "ml.p3.2xlarge"
        estimator.fit({"train": self.data}, wait=False)

    def processing(self):
        code = Path(self.order["root"]) / "prepare.py"
        code.write_text(
            "import sys, pathlib\n"
            "rows = pathlib.Path('/opt/ml/processing/input/d.csv').read_text()\n"
            "print('arguments', sys.argv[1:], flush=True)\n"
            "pathlib.Path('/opt/ml/processing/output/rows.csv').write_text(rows.upper())\n"
        )
        processor = ScriptProcessor(
            image_uri=self.order["image"], command=["python3"], role=self.order["role"], instance_count=1,
            instance_type="ml.m5.large", sagemaker_session=self.session,
        )  # fmt: skip
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            processor.run(
                code=str(code),
                inputs=[ProcessingInput(self.data, "/opt/ml/processing/input")],
                outputs=[ProcessingOutput(source="/opt/ml/processing/output", destination=f"{self.output}/prepared")],
                arguments=["--a", "1"],
            )
        key = f"{self.order['name']}/out/prepared/rows.csv"
        return {
            "status": processor.latest_job.describe()["ProcessingJobStatus"],
            "rows": self.s3.get_object(Bucket=self.order["bucket"], Key=key)["Body"].read().decode(),
            "log": "arguments ['--a', '1']" in said.getvalue(),
        }

    def transform(self):
        model = Model(
            image_uri=self.order["image"], model_data=self.fitted.model_data, role=self.order["role"],
            sagemaker_session=self.session, name=f"{self.order['name']}-model",
        )  # fmt: skip
        model.create(instance_type="ml.m5.large")
        transformer = Transformer(
            model.name, 1, "ml.m5.large", strategy="MultiRecord", assemble_with="Line", accept="text/csv",
            output_path=f"{self.output}/transformed", sagemaker_session=self.session,
        )  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            transformer.transform(self.data, content_type="text/csv", split_type="Line", wait=True, logs=True)
        key = f"{self.order['name']}/out/transformed/d.csv.out"
        attached = Transformer.attach(transformer.latest_transform_job.name, self.session)
        return {
            "rows": self.s3.get_object(Bucket=self.order["bucket"], Key=key)["Body"].read().decode(),
            "attached": attached.strategy,
        }

    def tuner_ends(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.tuner.wait()
        table = self.tuner.analytics().dataframe()
        best = self.tuner.best_training_job()
        reached = dict(zip(table["TrainingJobName"], table["FinalObjectiveValue"], strict=True))
        with contextlib.redirect_stdout(io.StringIO()):
            estimator = self.tuner.best_estimator()
        job = self.tuner.describe()
        trial = self.session.sagemaker_client.describe_training_job(TrainingJobName=best)
        return {
            "trials": len(table),
            "statuses": sorted(set(table["TrainingJobStatus"])),
            "best is best": reached[best] == max(reached.values()),
            "score": abs(reached[best] - 1 + float(trial["HyperParameters"]["alpha"])) < 1e-6,
            "model of the best": estimator.model_data == trial["ModelArtifacts"]["S3ModelArtifacts"],
            "counters": job["TrainingJobStatusCounters"]["Completed"],
            "best arn": job["BestTrainingJob"]["TrainingJobArn"] == trial["TrainingJobArn"],
            "elapsed": bool((table["TrainingElapsedTimeSeconds"] >= 0).all()),
        }

    def search(self):
        wanted = {"Filters": [{"Name": "TrainingJobName", "Operator": "Contains", "Value": f"{self.order['name']}-fit"}]}
        found = self.session.sagemaker_client.search(Resource="TrainingJob", SearchExpression=wanted)
        return [one["TrainingJob"]["TrainingJobName"].removeprefix(self.order["name"]) for one in found["Results"]]

    def pipeline(self):
        Pipeline(f"{self.order['name']}-p", steps=[], sagemaker_session=self.session).create(self.order["role"])

    def experiment(self):
        with Run(experiment_name=f"{self.order['name']}-e", run_name="r", sagemaker_session=self.session) as run:
            run.log_parameter("a", 1)


order = remote_program.read_order()
remote_program.carry_out(order, remote_program.methods(Cases(order), {"estimator"}))
