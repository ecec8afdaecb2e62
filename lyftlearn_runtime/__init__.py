"""The shim that every LyftLearn container starts with. Standard library only; Python 3.8 and later."""
