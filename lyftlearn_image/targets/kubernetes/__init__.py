"""Kubernetes: manifests for the API, and the same manifests interpreted on this machine."""
