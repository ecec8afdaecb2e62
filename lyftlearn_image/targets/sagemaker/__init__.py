"""SageMaker: requests for the service, and the same requests interpreted on this machine."""
