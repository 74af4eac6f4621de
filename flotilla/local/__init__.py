"""The one-machine stack: the same code as on AWS, with other endpoints."""
