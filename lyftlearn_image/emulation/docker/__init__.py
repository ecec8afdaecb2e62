"""The Docker engine: containers, networks, volumes, and the removal of what killed runs have left."""
