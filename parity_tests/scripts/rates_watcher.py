"""Watches a rate feed for longer than its AWS keys live, with the SDK, with a client of its own, and with keys that it kept."""

import datetime as dt
import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions

SECRET = "rates/token"
TOKEN = Path("/etc/rates/token")
OUTPUT = Path(os.environ["SM_OUTPUT_DATA_DIR"])


class OwnClient:
    """Reads a secret without the SDK's sessions: it asks the container's agent by itself, and again when its keys have ended."""

    def __init__(self, endpoint, region):
        self.endpoint = endpoint
        self.region = region
        self.keys = None
        self.asked = 0

    def renewed(self):
        if self.keys is None or self.expires(self.keys) <= dt.datetime.now(dt.timezone.utc):
            path = os.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            url = "http://169.254.170.2" + path if path else os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
            request = urllib.request.Request(url)
            if "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in os.environ:
                request.add_header("Authorization", Path(os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).read_text())
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.keys = json.load(answer)
            self.asked += 1
        return self.keys

    def expires(self, keys):
        return dt.datetime.strptime(keys["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc)

    def read(self):
        keys = self.renewed()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "secretsmanager.GetSecretValue"}
        request = botocore.awsrequest.AWSRequest("POST", self.endpoint, headers, json.dumps({"SecretId": SECRET}))
        credentials = botocore.credentials.Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
        botocore.auth.SigV4Auth(credentials, "secretsmanager", self.region).add_auth(request)
        signed = urllib.request.Request(self.endpoint, request.body, dict(request.headers), method="POST")
        with urllib.request.urlopen(signed, timeout=10) as answer:
            return json.load(answer)["SecretString"]


def said(read):
    """`read`, or the service's word for why not."""
    try:
        return "read" if read() else "empty"
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"


def main():
    session = boto3.Session()
    sdk = session.client("secretsmanager")
    own = OwnClient(sdk.meta.endpoint_url, session.region_name)
    own.read()
    frozen = session.get_credentials().get_frozen_credentials()
    kept_at = time.time()
    kept = boto3.client(
        "secretsmanager",
        aws_access_key_id=frozen.access_key,
        aws_secret_access_key=frozen.secret_key,
        aws_session_token=frozen.token,
    )
    readers = {
        "kept keys": lambda: kept.get_secret_value(SecretId=SECRET)["SecretString"],
        "SDK": lambda: sdk.get_secret_value(SecretId=SECRET)["SecretString"],
        "own client": own.read,
    }
    before = {name: said(read) for name, read in readers.items()}
    print("before:", before, flush=True)
    # Till the kept keys have ended, and those of the own client with them.
    while said(readers["kept keys"]) == "read" and time.time() < kept_at + 300:
        time.sleep(1)
    time.sleep(1)
    after = {name: said(read) for name, read in readers.items()}
    print("after:", after, flush=True)
    # The file is the runtime's to renew, also with keys that are newer than those of its start.
    sdk.put_secret_value(SecretId=SECRET, SecretString="rotated-rates-token-5d70")
    while TOKEN.read_text() != "rotated-rates-token-5d70" and time.time() < kept_at + 300:
        time.sleep(0.2)
    renewed = TOKEN.read_text() == "rotated-rates-token-5d70"
    print("the token was renewed:", renewed, flush=True)
    watch = {"before": before, "after": after, "renewed": renewed, "own client asked again": own.asked > 1}
    OUTPUT.joinpath("watch.json").write_text(json.dumps(watch, indent=1))


main()
