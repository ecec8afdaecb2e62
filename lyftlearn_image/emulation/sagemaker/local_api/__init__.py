"""SageMaker's API on this machine, for any AWS SDK."""
