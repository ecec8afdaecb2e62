"""Trains a digit classifier and publishes it to the team's registry bucket with boto3's default credentials."""

import io
import json
import os

import boto3
import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier

bucket = os.environ["REGISTRY_BUCKET"]
key = f"registry/{os.environ['SM_CURRENT_HOST']}/{os.environ['TRAINING_JOB_NAME'].rsplit('-', 1)[0]}/model.joblib"

table = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "digits.csv.gz"), header=None).to_numpy()
model = ExtraTreesClassifier(400, random_state=0, oob_score=True, bootstrap=True).fit(table[:, :-1], table[:, -1])
print(f"oob:accuracy={model.oob_score_:.6f};")

buffer = io.BytesIO()
joblib.dump(model, buffer)
s3 = boto3.client("s3")
s3.put_object(Bucket=bucket, Key=key, Body=buffer.getvalue(), Metadata={"rows": str(len(table))})
stored = s3.get_object(Bucket=bucket, Key=key)
published = joblib.load(io.BytesIO(stored["Body"].read()))

np.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "probabilities.npy"), published.predict_proba(table[::10, :-1]))
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "published.json"), "w") as f:
    json.dump({"key": key, "bytes": stored["ContentLength"], "metadata": stored["Metadata"]}, f)
