"""The model server of `serve`. It runs under the venv's interpreter; nothing of the shim imports it."""
