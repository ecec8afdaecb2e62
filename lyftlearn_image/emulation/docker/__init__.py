"""The engine: containers, networks, what a killed run has left."""
