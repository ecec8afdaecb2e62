"""Sends every file of a directory to the model server beside it, as batch transform does, and writes down the answers.

Runs in the pod, alone, with the standard library of the image's Python. How: developer guide, "Use Your Own Inference Code
with Batch Transform", and API reference, CreateTransformJob: what the caller did not set is asked of
/execution-parameters, else it is 1 request at a time, MULTI_RECORD and 6 MB.
"""

import concurrent.futures
import http.client
import json
import os
import sys
import time

SERVER = "http://127.0.0.1:8080"
# ModelClientConfig, InvocationsTimeoutInSeconds and InvocationsMaxRetries: their defaults.
TIMEOUT_S = 600
RETRIES = 3


class Failed(Exception):
    """One object could not be transformed; the text says which and why."""


def main(options, source, target):
    """Transforms every file below `source` into one with `.out` below `target`; the exit code."""
    settings = complete(options)
    paths = sorted(os.path.join(top, name) for top, _, names in os.walk(source) for name in names)
    # Of a job on several hosts each has its share of the objects.
    index, hosts = int(os.environ.get("JOB_COMPLETION_INDEX", "0")), int(options.get("nodes") or 1)
    failed = 0
    for path in paths[index::hosts]:
        written = os.path.join(target, os.path.relpath(path, source) + ".out")
        try:
            with open(path, "rb") as file:
                answer = transform(file.read(), settings, os.path.relpath(path, source))
        except Failed as error:
            # "... processes the listed S3 objects and uploads only the output for successfully processed objects" (API
            # reference, TransformOutput).
            print(error, file=sys.stderr)
            failed += 1
            continue
        os.makedirs(os.path.dirname(written), exist_ok=True)
        with open(written, "wb") as file:
            file.write(answer)
    return 1 if failed else 0


def complete(options):
    """The options with what the server, or batch transform's own defaults, say of the rest."""
    said = {name: value for name, value in options.items() if value is not None}
    try:
        status, answer = ask("GET", "/execution-parameters", None, {}, 10)
        told = json.loads(answer) if status == 200 else {}
    except (OSError, http.client.HTTPException, ValueError):
        told = {}
    told = told if isinstance(told, dict) else {}
    strategy = str(told.get("BatchStrategy", "MULTI_RECORD"))
    own = {
        "max_concurrent": told.get("MaxConcurrentTransforms") or 1,
        "max_payload_mb": told.get("MaxPayloadInMB", 6),
        "batch": {"SINGLE_RECORD": "SingleRecord", "MULTI_RECORD": "MultiRecord"}.get(strategy, strategy),
        "timeout_s": TIMEOUT_S,
    }
    return {**own, **said, "max_concurrent": said.get("max_concurrent") or own["max_concurrent"]}


def transform(data, settings, name):
    """The answers to one object's requests, put together again."""
    bodies = list(requests(data, settings, name))
    with concurrent.futures.ThreadPoolExecutor(int(settings["max_concurrent"])) as threads:
        answers = list(threads.map(lambda body: invoke(body, settings, name), bodies))
    if settings.get("assemble") == "Line":
        return b"".join(one if one.endswith(b"\n") else one + b"\n" for one in answers)
    return b"".join(answers)


def requests(data, settings, name):
    """The bodies of an object's requests: the whole of it, its lines, or as many lines as a payload holds."""
    largest = int(settings["max_payload_mb"]) << 20
    if settings.get("split") != "Line":
        yield checked(data, largest, name)
        return
    batch, size = [], 0
    # At newlines alone: bytes.splitlines would take a carriage return for the end of a record too.
    lines = data.split(b"\n")
    for line in lines if lines[-1] else lines[:-1]:
        checked(line, largest, name)
        if batch and (settings["batch"] == "SingleRecord" or (largest and size + len(line) > largest)):
            yield b"\n".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield b"\n".join(batch)


def checked(body, largest, name):
    """The body, when it is not too large. A limit of 0 is none."""
    if largest and len(body) > largest:
        raise Failed("%s: a record has %d bytes, at most %d (max_payload_mb)" % (name, len(body), largest))
    return body


def invoke(body, settings, name):
    """The server's answer; a server that is busy or broken is asked again."""
    said = {"Content-Type": settings.get("content_type"), "Accept": settings.get("accept")}
    headers = {key: value for key, value in said.items() if value}
    # "... transmitted using HTTP chunked encoding, set the value to 0" (API reference, MaxPayloadInMB).
    chunked = not int(settings["max_payload_mb"])
    for left in range(RETRIES, -1, -1):
        sent = iter([body]) if chunked else body
        try:
            status, answer = ask("POST", "/invocations", sent, headers, float(settings["timeout_s"]))
        except (OSError, http.client.HTTPException) as error:
            why = "the server does not answer: %s" % error
        else:
            if 200 <= status < 300:
                return answer
            why = "the server answered %d: %s" % (status, answer[:300].decode("utf-8", "replace"))
            if 400 <= status < 500:
                break
        if left:
            time.sleep(min(2 ** (RETRIES - left), 8))
    raise Failed("%s: %s" % (name, why))


def ask(method, path, body, headers, timeout_s):
    """Status and body of one request. urllib would go through a proxy of the pod's, and invent a Content-Type."""
    connection = http.client.HTTPConnection(SERVER.partition("//")[2], timeout=timeout_s)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main(json.loads(os.environ["LYFTLEARN_TRANSFORM"]), sys.argv[1], sys.argv[2]))
