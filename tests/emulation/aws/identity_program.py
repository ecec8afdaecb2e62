"""Runs in an emulated container: prints, as JSON, who the AWS SDK and the shim's own client say that it is."""

import json
import os
import sys
import time

import boto3

sys.path.insert(0, "/shim")
from lyftlearn_runtime.aws import credentials


def main() -> None:
    """One document."""
    # boto3 reads AWS_DEFAULT_REGION alone, which SageMaker does not set; the shim does, and is not around this program.
    session = boto3.Session(region_name=os.environ["AWS_REGION"])
    found = session.get_credentials()
    sts = session.client("sts")
    said = sts.get_caller_identity()
    shim = credentials.find_credentials(dict(os.environ), time.monotonic() + 10)
    told = {
        "method": found.method,
        "arn": said["Arn"],
        "account": said["Account"],
        "shim": shim.source,
        "static": sorted(name for name in os.environ if name in {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}),
        "region": session.region_name,
    }
    if "secret" in sys.argv:
        told["secret"] = session.client("secretsmanager").get_secret_value(SecretId="planted")["SecretString"]
    if "twice" in sys.argv:
        keys = []
        for _ in range(2):
            keys.append(found.get_frozen_credentials().access_key)
            sts.get_caller_identity()
            time.sleep(2.5)
        told["renewed"] = keys[0] != keys[1]
    sys.stdout.write(json.dumps(told))


main()
