"""One module for each kind of workload: what Kubernetes makes of it."""
