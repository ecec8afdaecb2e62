"""What training scripts import of AWS's `sagemaker_training`, for images that have not got the package itself.

Its `Environment` and constants, its logger and its files; nothing that starts a script. The names and values are those of
aws/sagemaker-training-toolkit 5.1 (src/sagemaker_training).
"""

from __future__ import annotations
