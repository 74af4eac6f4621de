"""Harbor trials in Docker containers, over the Engine API."""
