"""Every measurement, one after the other: `make bench`."""

from __future__ import annotations

import runpy

MODULES = (
    "cli_start",
    "local_start",
    "shim_start",
    "secrets",
    "supervisor",
    "writing_reports",
    "suite_memory",
    "hostile_memory",
    "endpoint",
    "text",
    "comparators",
    "events",
    "serving",
    "transfers",
    "first_hour",
    "demo",
    "rebuild",
    "image_size",
)

for module in MODULES:
    print(f"== {module}", flush=True)
    runpy.run_module(f"benchmarks.{module}", run_name="__main__")
