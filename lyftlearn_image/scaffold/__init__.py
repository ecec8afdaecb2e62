"""A team's first files: what lies in a directory, and the Dockerfile, workloads and suite that follow from it."""
