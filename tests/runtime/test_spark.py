"""Spark's settings, with the real PySpark and a real JVM in a team's image."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DOCKERFILE = """
ARG BASE
FROM ${BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends openjdk-17-jre-headless
RUN --mount=type=secret,id=ca-bundle --mount=type=secret,id=pip-conf --mount=type=cache,target=/root/.cache/pip \\
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \\
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \\
    pip install -q --root-user-action=ignore pyspark==3.5.9
"""
# A script as teams write it: nothing is configured, Python's workers and a table are used.
SCRIPT = """
import json
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel('ERROR')
spark.range(100).write.saveAsTable('numbers')
total = spark.table('numbers').rdd.map(lambda row: row[0]).sum()
print(json.dumps({'total': total, **dict(spark.sparkContext.getConf().getAll())}))
"""
RESTRICTED = ("--read-only", "--tmpfs", "/tmp:exec", "--cap-drop", "ALL", "--memory", "2g", "--cpus", "1")


@pytest.fixture(scope="module")
def spark_image(lyftlearn_image_tag: str, docker_cli: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A team's image: the base, a JVM and PySpark."""
    from lyftlearn_image.build.secrets import build_secrets

    directory: Path = tmp_path_factory.mktemp("spark")
    (directory / "Dockerfile").write_text(DOCKERFILE)
    tag = f"{lyftlearn_image_tag.replace(':', '-')}-spark:test"
    with build_secrets(None, os.environ) as secrets:
        docker_cli("build", "-q", "-t", tag, "--build-arg", f"BASE={lyftlearn_image_tag}", *secrets.arguments, str(directory))
    return tag


def run(image: str, *options: str) -> dict[str, Any]:
    """The settings that a script's session has, and a sum."""
    from lyftlearn_image.build.engine import build_client

    command = [str(build_client()), "run", "--rm", *options, image, "python", "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("user", ["0", "12345:0"])
def test_a_session_just_works(spark_image: str, user: str) -> None:
    """As root and as a UID that nobody knows, on a read-only root, without a network: threads and heap are the container's."""
    found = run(spark_image, *RESTRICTED, "--user", user, "--network", "none")
    assert found["total"] == 4950
    assert found["spark.master"] == "local[1]"
    assert found["spark.driver.memory"] == "1228m"


def test_what_a_team_has_set_stays(spark_image: str, tmp_path: Path) -> None:
    """A file in Spark's own directory overrules what the shim adds, and the rest of that directory is found."""
    (tmp_path / "spark-defaults.conf").write_text("spark.driver.memory 700m\nspark.app.name ours\n")
    (tmp_path / "log4j2.properties").write_text("rootLogger.level = error\n")
    conf = f"{tmp_path}:/opt/venv/lib/python3.11/site-packages/pyspark/conf:ro"
    found = run(spark_image, *RESTRICTED, "--network", "none", "-v", conf)
    assert (found["spark.driver.memory"], found["spark.app.name"]) == ("700m", "ours")
    assert found["spark.master"] == "local[1]"


def test_a_directory_of_settings_is_left_alone(spark_image: str, tmp_path: Path) -> None:
    """Where SPARK_CONF_DIR is set, the shim adds nothing."""
    (tmp_path / "spark-defaults.conf").write_text("spark.master local[2]\nspark.driver.host localhost\n")
    options = ("-v", f"{tmp_path}:/conf:ro", "-e", "SPARK_CONF_DIR=/conf", "--workdir", "/tmp")
    assert run(spark_image, *options)["spark.master"] == "local[2]"
