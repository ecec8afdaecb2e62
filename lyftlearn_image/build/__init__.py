"""From image.yaml to an image: specification, lock, Dockerfile, base image, engine."""
