"""Batch transform: records, requests, the joined answers."""
