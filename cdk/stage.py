"""A stage: one whole fleet under one name, beside which others can live in the same account."""

import re

from aws_cdk import App, Tags

from cdk.queue_stack import QueueStack

STAGE_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")  # it is a part of resource names, some of which must be short


class Stage:
    """The stacks of the stage `name`, each named after it. They are the app's own, so `cdk deploy --all` takes them."""

    def __init__(self, app: App, *, name: str) -> None:
        if not STAGE_NAME.fullmatch(name):
            raise ValueError(
                f"the stage cannot be called {name!r}: take up to 12 lower-case letters and digits, a letter first, "
                "in the context value `stage` (cdk.json, or -c stage=NAME)"
            )
        prefix = f"flotilla-{name}"
        self.queues = QueueStack(app, f"{prefix}-queues", prefix=prefix)
        Tags.of(app).add("flotilla:stage", name)
