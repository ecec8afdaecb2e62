"""SageMaker on Docker."""
