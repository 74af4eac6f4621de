"""The process on a worker: the only place that knows Harbor and Docker."""
