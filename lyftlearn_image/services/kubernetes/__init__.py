"""The API of a Kubernetes cluster."""
