"""Modules under the names that code written for AWS's own images imports; the last place where Python looks for them."""
