"""The local AWS endpoint of a run, and the credentials that it serves."""
