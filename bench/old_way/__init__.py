"""The old way of running many: a Celery worker of so many processes, Redis, and one `harbor run` process a run."""
