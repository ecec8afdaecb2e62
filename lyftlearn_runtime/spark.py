"""Spark's settings for this container, so that `SparkSession.builder.getOrCreate()` works as it stands.

They go into a `spark-defaults.conf`, which a script's own settings and a team's file overrule (Spark, "Configuration").
"""

from __future__ import annotations

import os

from lyftlearn_runtime import cgroup, contract, files
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = "spark-defaults.conf"
# Of the container's memory, what the JVM's heap may take: the rest is for the JVM itself and for Python's processes.
_HEAP_SHARE = 0.6
_LOCAL = "127.0.0.1"
_SMALLEST_HEAP_MIB = 512


def write_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Writes a file of settings, and gives what names it; nothing without a Spark, or where somebody has set it."""
    home = environ.get("SPARK_HOME") or _pyspark()
    if not home or environ.get("SPARK_CONF_DIR"):
        return {}
    scratch = environ.get("TMPDIR") or "/tmp"  # noqa: S108 - the contract's one writable place on a read-only root
    directory = f"{scratch}/lyftlearn-spark-{os.getuid()}"
    try:
        _link_others(f"{home}/conf", directory)
        text = "".join(f"{name} {value}\n" for name, value in _settings(directory).items())
        # Of two lines with one name the later one holds.
        files.replace(f"{directory}/{_FILE}", text.encode() + _given(f"{home}/conf/{_FILE}"))
    except (OSError, ShimError):
        return {}  # Spark's own defaults are better than no start
    # Before it reads any file Spark asks for this host's own address, and a pod's name need not be resolvable in it.
    return {"SPARK_CONF_DIR": directory, "SPARK_LOCAL_IP": environ.get("SPARK_LOCAL_IP") or _LOCAL}


def _settings(directory: str) -> dict[str, str]:
    cpus, memory = cgroup.cpu_count(cgroup.cpu_quota()), cgroup.memory_limit()
    found = {
        # One JVM with as many threads as there are CPUs: Spark would count the node's.
        "spark.master": f"local[{cpus}]",
        "spark.driver.host": _LOCAL,
        # The working directory may be read-only.
        "spark.local.dir": f"{directory}/local",
        "spark.sql.warehouse.dir": f"{directory}/warehouse",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={directory}/derby -Djava.io.tmpdir={directory}",
    }
    if memory:
        found["spark.driver.memory"] = f"{max(_SMALLEST_HEAP_MIB, int(memory * _HEAP_SHARE) >> 20)}m"
    return found


def _pyspark() -> str:
    """Where pip has put PySpark, which brings its own Spark."""
    try:
        versions = os.listdir(contract.VENV_DIR + "/lib")
    except OSError:
        return ""
    found = (f"{contract.VENV_DIR}/lib/{one}/site-packages/pyspark" for one in versions)
    return next((one for one in found if os.path.isdir(one)), "")


def _given(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _link_others(conf: str, directory: str) -> None:
    """The other files of Spark's own directory of settings, such as log4j2.properties, are to be found here too."""
    os.makedirs(f"{directory}/local", mode=0o700, exist_ok=True)
    names = os.listdir(conf) if os.path.isdir(conf) else []
    for name in names:
        if name != _FILE and not os.path.lexists(f"{directory}/{name}"):
            os.symlink(f"{conf}/{name}", f"{directory}/{name}")
