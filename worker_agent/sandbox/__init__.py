"""A Harbor environment of our own for machines without a container engine: Linux namespaces over the host's folders.

`environment.py` is what Harbor talks to; `sandbox.py` is one running sandbox; `keeper.py` is the program that becomes
its PID 1; `layers.py` decides what a task can see of the host.
"""
