"""The least privileges that a workload needs, as IAM policies and Kubernetes roles: exact resources, no wildcard actions."""
