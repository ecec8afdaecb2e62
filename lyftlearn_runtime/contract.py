"""Names of the LyftLearn contract that the shim and the toolkit both speak.

The toolkit may import this module and `secret_forms`, and nothing else of the runtime; the runtime imports nothing of the
toolkit.
"""

# Where things live in every image.
from __future__ import annotations

HOME = "/home/lyftlearn"
INSTALL_DIR = "/opt/lyftlearn"
IMAGE_MANIFEST = "/opt/lyftlearn/image.json"
VENV_DIR = "/opt/venv"
# In an image that a team had before: what it ran by itself, and a link to the Python of its programs.
ADOPTED = "/opt/lyftlearn/adopted.json"
ADOPTED_PYTHON = "/opt/lyftlearn/python"
ML_DIR = "/opt/ml"
CODE_DIR = "/opt/ml/code"  # a script's own, and its working directory
PROCESSING_DIR = "/opt/ml/processing"
WORK_DIR = "/mnt/lyftlearn/work"  # on a read-only root, the copy of the image's working directory, below its own path
MEMORY = "/dev/shm/lyftlearn"  # noqa: S108 - memory-backed and writable on a read-only root

# Variables that tell the shim what to do. The script does not see those in HIDDEN_VARIABLES.
BUNDLE = "LYFTLEARN_BUNDLE"  # a path or s3://bucket/key, then "#sha256=<hex of the file's bytes>"
CONTEXT = "LYFTLEARN_CONTEXT"  # overrides the detected context; one of CONTEXTS
OBSERVE = "LYFTLEARN_OBSERVE"  # "<path of the observation to write>#<hex key for the digests of secrets>"
PROGRAM = "LYFTLEARN_PROGRAM"  # the program that `train` runs, relative to /opt/ml/code or absolute
ARGUMENTS = "LYFTLEARN_ARGUMENTS"  # how hyperparameters reach the command line; one of ARGUMENT_STYLES
STATSD = "LYFTLEARN_STATSD"  # "udp://host:port" or "unixgram:///path" of the gateway, or "drop"
REFERENCES = "LYFTLEARN_REFERENCES"  # names of variables, with commas, whose values are references whatever they look like
SECRETS = "LYFTLEARN_SECRETS"  # names of variables, with commas, into which the cluster puts the values of its Secrets
ENV_FROM = "LYFTLEARN_ENV_FROM"  # references with blanks between them, each to a set of variables
FETCH_TIMEOUT = "LYFTLEARN_FETCH_TIMEOUT"  # seconds for everything that is fetched before the script starts
HOSTS_TIMEOUT = "LYFTLEARN_HOSTS_TIMEOUT"  # seconds within which every host of a job must have an address
GRACE = "LYFTLEARN_GRACE"  # seconds between SIGTERM and SIGKILL, where they are not the platform's usual ones
MEMORY_DIR = "LYFTLEARN_MEMORY_DIR"  # a tmpfs for secrets and last known values, instead of MEMORY
RECORD = "LYFTLEARN_RECORD"  # s3://bucket/prefix/ where the end of the log and the exit code are left, as INDEX.json
REFRESH = "LYFTLEARN_REFRESH"  # "<seconds>" or "<seconds>:<signal>": how often files with secrets are renewed, and who is told
# Compiled from a workload's own fields, so no workload sets one of these itself.
COMPILED_VARIABLES = (
    ARGUMENTS, BUNDLE, ENV_FROM, GRACE, MEMORY_DIR, OBSERVE, PROGRAM, RECORD, REFERENCES, REFRESH, SECRETS, STATSD,
)  # fmt: skip
HIDDEN_VARIABLES = (
    BUNDLE, OBSERVE, STATSD, RECORD, REFERENCES, SECRETS, ENV_FROM, FETCH_TIMEOUT, GRACE, HOSTS_TIMEOUT, MEMORY_DIR,
    REFRESH,
)  # fmt: skip

# Variables of the platforms whose values are secrets: they come without a reference.
SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")

# Schemes that no value has by accident. The others are references only where REFERENCES, a file or ENV_FROM says so.
CLEAR_SCHEMES = ("aws-sm", "aws-ssm", "aws-ssm-path", "confidant", "downward")
# Whose values are no secrets.
OPEN_SCHEMES = ("downward://",)

# Variables that the shim gives to the script.
HYPERPARAMETERS = "LYFTLEARN_HYPERPARAMETERS"  # path of a JSON file with true types
PACKAGES = "LYFTLEARN_PACKAGES"  # the virtual environment with what the code's requirements.txt asks for

# The command of a container whose own command is in the launch bundle: SageMaker takes short words without line breaks.
BUNDLED_COMMAND = "bundled-command"

ARGUMENT_STYLES = ("--key value", "key=value", "none")
CONTEXTS = (
    "sagemaker-training",
    "sagemaker-processing",
    "sagemaker-hosting",
    "sagemaker-transform",
    "sagemaker-studio",
    "kubernetes",
    "docker",
)

# Where compile puts things; the shim only follows the variables above.
TRAINING_OBSERVATION = "/opt/ml/output/data/.lyftlearn/observation.json"
PROCESSING_OBSERVATION = "/opt/ml/processing/.lyftlearn/observation.json"
BUNDLE_MOUNT = "/etc/lyftlearn"  # Kubernetes mounts the launch bundle here, as bundle.json

# Exit codes of the shim itself; every other code is the script's.
EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69
EXIT_ACCESS_DENIED = 77
EXIT_CONFIG = 78

BUNDLE_VERSION = 1
OBSERVATION_VERSION = 1
