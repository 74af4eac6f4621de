"""The CDK application: the stage that the context names."""

from aws_cdk import App

from cdk.stage import Stage

app = App()
Stage(app, name=app.node.get_context("stage"))
app.synth()
