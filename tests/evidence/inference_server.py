"""Runs where the inference toolkit is: its own server, with every file that it writes below the directory that it is given.

What `start_model_server` does, less the file in /etc and the search for other servers on this machine.
"""

import os
import sys
from pathlib import Path

from sagemaker_inference import default_handler_service, environment, model_server

place = Path(sys.argv[1])
model_server.MMS_CONFIG_FILE = str(place / "mms.properties")
model_server._set_python_path()
model_server._create_model_server_config_file(environment.Environment(), default_handler_service.__name__)
command = ["multi-model-server", "--start", "--foreground", "--model-store", "/"]
command += ["--mms-config", model_server.MMS_CONFIG_FILE, "--log-config", model_server.DEFAULT_MMS_LOG_FILE]
command += ["--models", "model=" + environment.model_dir]
os.execv(Path(sys.executable).parent / command[0], command)  # noqa: S606 - no shell
