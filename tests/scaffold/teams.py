"""What two teams have before they know of this toolkit: a Job and its script, and a script with the one that starts it."""

from __future__ import annotations

# The script of an existing Job, and the Job: its own image, a Secret of the cluster, less than a default instance has.
TRAIN = """\
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
depth = parser.parse_args().depth
assert os.environ["DB_URL"] and os.environ["MODE"] == "nightly"
model = pathlib.Path(os.environ.get("SM_MODEL_DIR", "/tmp"), "model.json")
model.write_text(json.dumps({"depth": depth}))
print("depth", depth)
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {name: churn, namespace: ml}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      serviceAccountName: churn
      containers:
        - name: main
          image: registry.example.com/churn:3
          command: [python, /app/train.py, --depth, "3"]
          env:
            - {name: MODE, value: nightly}
            - {name: DB_URL, valueFrom: {secretKeyRef: {name: churn-db, key: url}}}
          resources:
            requests: {cpu: 500m, memory: 512Mi}
            limits: {cpu: "1", memory: 1Gi}
"""
# A script for SageMaker, and the one that starts it with the SDK, whose role and session nobody here can know.
ESTIMATED = """\
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--scale", type=float)
rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
mean = parser.parse_args().scale * sum(map(float, rows)) / len(rows)
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"mean": mean}))
print(f"mean={mean}")
"""
LAUNCH = """\
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.sklearn import SKLearn
BUCKET = "s3://ml-data"
raise SystemExit("this script is read and never run")
estimator = SKLearn(
    entry_point="fit.py", source_dir="src", role=sagemaker.get_execution_role(), instance_type="ml.m5.large",
    instance_count=1, framework_version="1.2-1", hyperparameters={"scale": 0.5}, base_job_name="means", max_run=2 * 3600,
    metric_definitions=[{"Name": "mean", "Regex": r"mean=(\\S+)"}],
)
estimator.fit({"train": TrainingInput(f"{BUCKET}/rows/")}, wait=False)
"""
MANIFEST_TEAM = {"job.yaml": JOB, "train.py": TRAIN}
ESTIMATOR_TEAM = {"launch.py": LAUNCH, "src/fit.py": ESTIMATED, "data/rows.csv": "1\n2\n6\n"}
