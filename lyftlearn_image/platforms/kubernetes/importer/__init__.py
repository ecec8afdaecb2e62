"""Existing manifests, read into a workload: what can be carried is, and what cannot is told with reason and advice."""
