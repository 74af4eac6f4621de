"""ministack 1.5.33 with the four seams of the rehearsal, started in an environment of its own: it pins other versions.

Where ministack has no body for something, a real one stands on this machine, by the same secret and settings:
- the database is a PostgreSQL of the rehearsal, with TLS, whose address and authority go into the attached secret;
- the file system is a directory, mounted where the function's template says, in a mount namespace of the function;
- the layer's wheels are for another processor: functions import the same versions from this checkout's `.venv`;
- two resource types and one call that ministack lacks are made through its own API, or only written down.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import psycopg
from ministack.core import lambda_runtime
from ministack.services import autoscaling, ssm
from ministack.services.cloudformation import provisioners, stacks
from psycopg import sql

SEAMS = json.loads(os.environ["FLOTILLA_REHEARSAL"])
"""`python` of this checkout, `shared` directory, `wrapper` and `calls` files, `image` parameter, and the `database`."""

FUNCTION = """#!/bin/sh
# Starts one function: without the layer, in a mount namespace where the shared directory is what EFS would be.
unset _LAMBDA_LAYERS_DIRS
[ "$(id -u)" = 0 ] || own="--user --map-root-user"
exec unshare $own --mount --propagation private /bin/sh -c '
    mount -t tmpfs tmpfs /mnt && mkdir /mnt/shared && mount --bind "$0" /mnt/shared && exec "$@"
' '{shared}' '{python}' "$@"
"""

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]
Create = Callable[[str, Properties, str], Made]
Answer = Callable[[dict[str, Any]], Any]


def client(service: str) -> Any:
    """A client of this very server."""
    return botocore.session.get_session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=f"http://127.0.0.1:{os.environ['GATEWAY_PORT']}",
        aws_access_key_id=os.environ["MINISTACK_ACCOUNT_ID"],
        aws_secret_access_key="testing",
    )


def ingress(logical_id: str, properties: Properties, stack: str) -> Made:
    """One rule of a security group."""
    permission = {
        "IpProtocol": str(properties["IpProtocol"]),
        "FromPort": int(properties["FromPort"]),
        "ToPort": int(properties["ToPort"]),
        "UserIdGroupPairs": [{"GroupId": properties["SourceSecurityGroupId"]}],
    }
    client("ec2").authorize_security_group_ingress(GroupId=properties["GroupId"], IpPermissions=[permission])
    return f"{stack}-{logical_id}", {"Id": f"{stack}-{logical_id}"}


def flow_log(logical_id: str, _: Properties, stack: str) -> Made:
    """Nothing flows here."""
    return f"{stack}-{logical_id}", {"Id": f"{stack}-{logical_id}"}


def attaching(create: Create) -> Create:
    """As it attaches a secret to the database, and then the database that there really is."""

    def attach(logical_id: str, properties: Properties, stack: str) -> Made:
        arn, attributes = create(logical_id, properties, stack)
        secrets = client("secretsmanager")
        known = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
        database = SEAMS["database"]
        _let_in(known["username"], known["password"], name=known["dbname"])
        known |= {"host": database["host"], "port": database["port"], "ca": Path(database["ca"]).read_text()}
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(known))
        return arn, attributes

    return attach


def _let_in(user: str, password: str, *, name: str) -> None:
    """What RDS does when it makes an instance: its first user, and an empty database that is theirs."""
    with psycopg.connect(host=SEAMS["database"]["socket"], user="postgres", autocommit=True) as connection:
        role = sql.Identifier(user)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), role))


def stored(record: Callable[[str, Properties], Properties]) -> Callable[[str, Properties], Properties]:
    """As it takes down an alarm, and one on an expression too, which it does not evaluate."""

    def take_down(name: str, properties: Properties) -> Properties:
        if not properties.get("Metrics"):
            return record(name, properties)
        simple = {key: value for key, value in properties.items() if key != "Metrics"}
        taken = record(name, simple | {"MetricName": "an expression", "Namespace": "an expression"})
        return {**taken, "Metrics": properties["Metrics"]}

    return take_down


def suspended(parameters: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """ministack has no processes to suspend; `asked` has taken down which."""
    answer: tuple[int, dict[str, str], bytes] = autoscaling._xml(200, f"{parameters['Action']}Response", "")
    return answer


def asked(answer: Answer) -> Answer:
    """As it answers what is asked of a group, taken down for the rehearsal to read."""

    def answered(parameters: dict[str, Any]) -> Any:
        with Path(SEAMS["calls"]).open("a") as calls:
            calls.write(json.dumps(parameters) + "\n")
        return answer(parameters)

    return answered


def add_type(kind: str, create: Create) -> None:
    """Makes a type known; such resources go when their server does."""
    provisioners._RESOURCE_HANDLERS.setdefault(kind, {"create": create, "delete": lambda _id, _properties: None})


def prepare() -> None:
    """Sets all seams."""
    add_type("AWS::EC2::SecurityGroupIngress", ingress)
    add_type("AWS::EC2::FlowLog", flow_log)
    on_thread = stacks._runs_on_worker_thread  # what calls this server must not hold up its loop
    threaded = {"AWS::EC2::SecurityGroupIngress", "AWS::SecretsManager::SecretTargetAttachment"}
    stacks._runs_on_worker_thread = lambda kind: kind in threaded or on_thread(kind)
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::SecretTargetAttachment"]
    handlers["create"] = attaching(handlers["create"])
    provisioners._cw_metric_alarm_record = stored(provisioners._cw_metric_alarm_record)
    autoscaling._ACTION_MAP["SuspendProcesses"] = suspended
    for action in ("SuspendProcesses", "UpdateAutoScalingGroup", "SetInstanceProtection"):
        if action in autoscaling._ACTION_MAP:
            autoscaling._ACTION_MAP[action] = asked(autoscaling._ACTION_MAP[action])
    wrapper = Path(SEAMS["wrapper"])
    wrapper.write_text(FUNCTION.format(shared=SEAMS["shared"], python=SEAMS["python"]))
    wrapper.chmod(0o755)
    detected = lambda_runtime._detect_runtime_binary
    lambda_runtime._detect_runtime_binary = lambda runtime: (str(wrapper), detected(runtime)[1])
    for parameters in [known for known in vars(ssm).values() if isinstance(known, dict) and LATEST in known]:
        parameters.setdefault(SEAMS["image"], parameters[LATEST])


LATEST = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
"""A public parameter that ministack has."""

if __name__ == "__main__":
    prepare()
    from ministack.app import main

    main()
