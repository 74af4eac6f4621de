"""The group of workers on moto: what is read of it, and the few things that are done to it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest
from botocore.exceptions import ClientError

from flotilla.worker_group import GroupMissing, WorkerGroup
from tests.aws_group import AwsGroup, autoscaling


@pytest.fixture
def aws(moto_url: str) -> AwsGroup:
    return AwsGroup(autoscaling(moto_url))


@pytest.fixture
def group(aws: AwsGroup) -> WorkerGroup:
    return WorkerGroup(aws.client, name=aws.name)


def test_a_look_tells_what_is_desired_and_who_is_there(aws: AwsGroup, group: WorkerGroup) -> None:
    instances = aws.grow(3)
    seen = group.look()
    assert (seen.desired, seen.most, seen.leaving, seen.launches) == (3, 10, (), True)
    assert sorted(seen.instances) == sorted(seen.protected) == sorted(instances)


def test_a_raised_capacity_is_seen_at_the_next_look(aws: AwsGroup, group: WorkerGroup) -> None:
    before = group.look().desired
    aws.grow(2)
    assert (before, group.look().desired) == (0, 2)


def test_replacing_keeps_the_desired_capacity(aws: AwsGroup, group: WorkerGroup) -> None:
    first, second = aws.grow(2)
    group.replace(first)
    seen = group.look()
    assert seen.desired == 2
    assert second in seen.instances
    assert first not in seen.instances


GONE = "Instance Id not found - No managed instance found for instance ID: i-gone"
ANSWERS = {
    "DescribeAutoScalingGroups": """<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult>
        <AutoScalingGroups><member><DesiredCapacity>1</DesiredCapacity><MinSize>0</MinSize><MaxSize>10</MaxSize><Instances><member>
            <InstanceId>i-there</InstanceId><LifecycleState>Pending</LifecycleState>
            <ProtectedFromScaleIn>true</ProtectedFromScaleIn></member></Instances></member></AutoScalingGroups>
        </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>""",
    "TerminateInstanceInAutoScalingGroup": f"""<ErrorResponse><Error><Type>Sender</Type>
        <Code>ValidationError</Code><Message>{GONE}</Message></Error></ErrorResponse>""",
}


@pytest.fixture
def refusing() -> Iterator[WorkerGroup]:
    """A group whose endpoint knows the instance `i-there`, and refuses to terminate any, as AWS does (moto cannot)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            action = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())["Action"][0]
            answer = ANSWERS[action].encode()
            self.send_response(400 if action.startswith("Terminate") else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield WorkerGroup(autoscaling(f"http://127.0.0.1:{server.server_port}"), name="group")
        server.shutdown()
        thread.join()


def test_replacing_what_is_gone_is_no_fault(refusing: WorkerGroup) -> None:
    refusing.replace("i-gone")


def test_an_instance_that_is_there_and_cannot_be_replaced_is_a_fault(refusing: WorkerGroup) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        refusing.replace("i-there")


def test_an_instance_that_still_boots_is_not_unprotected(refusing: WorkerGroup) -> None:
    seen = refusing.look()
    assert (seen.instances, seen.protected) == (("i-there",), ())


def test_launching_stops_until_somebody_resumes_it(aws: AwsGroup, group: WorkerGroup) -> None:
    group.stop_launching()
    assert not group.look().launches
    aws.client.resume_processes(AutoScalingGroupName=aws.name, ScalingProcesses=["Launch"])
    assert group.look().launches


def test_zones_are_not_rebalanced_any_more(aws: AwsGroup, group: WorkerGroup) -> None:
    group.keep_zones()
    assert aws.suspended() == {"AZRebalance"}
    assert group.look().launches


def test_an_emptied_group_keeps_its_workers_until_they_are_unprotected(aws: AwsGroup, group: WorkerGroup) -> None:
    instances = aws.grow(2)
    group.empty()
    seen = group.look()
    assert (seen.desired, seen.launches, sorted(seen.protected)) == (0, False, sorted(instances))
    group.unprotect(seen.protected)
    assert group.look().protected == ()


def test_a_group_that_is_not_there_is_named(aws: AwsGroup) -> None:
    with pytest.raises(GroupMissing, match="no-such-group"):
        WorkerGroup(aws.client, name="no-such-group").look()
