"""Kubernetes' manifests and their limits."""
