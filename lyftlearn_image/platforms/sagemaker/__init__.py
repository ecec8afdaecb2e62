"""SageMaker's requests and their limits."""
