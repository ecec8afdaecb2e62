"""The platforms played on this machine's Docker engine."""
