"""The drill: a stack of its own, everything broken under load, and a verdict by witnesses outside the system."""
