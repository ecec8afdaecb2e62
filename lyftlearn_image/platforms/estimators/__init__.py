"""From a script that starts a job with SageMaker's SDK to a workload. The script is read, and never run."""
