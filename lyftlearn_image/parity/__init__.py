"""Runs a suite on two targets and decides whether they agree."""
