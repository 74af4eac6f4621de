"""The topic of what people should know."""

from aws_cdk.aws_sns import Topic
from aws_cdk.aws_sns_subscriptions import EmailSubscription
from constructs import Construct


class PeopleTopic(Construct):
    """`topic`, to which alarms are published."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self.topic = Topic(self, "Topic", topic_name=name, enforce_ssl=True)
        if email:
            self.topic.add_subscription(EmailSubscription(email))
