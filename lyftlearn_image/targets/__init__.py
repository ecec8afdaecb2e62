"""Where a workload runs: compiled into the platform's own request, and that request carried out."""
