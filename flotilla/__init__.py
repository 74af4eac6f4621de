"""Flotilla runs Harbor trials on a fleet of workers: the domain, shared by the API, the Lambdas and the workers."""

__version__ = "0.1.0"
