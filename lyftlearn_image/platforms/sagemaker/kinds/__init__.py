"""One module for each kind of workload: what SageMaker makes of it."""
