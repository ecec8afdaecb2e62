"""Kubernetes on Docker: pods, Jobs, what a kubelet and a controller do."""
