"""SageMaker's API and its events."""
