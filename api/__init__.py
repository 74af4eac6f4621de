"""The HTTP API: a FastAPI application over the domain in `flotilla`."""
