"""The bake of an image: what EC2 Image Builder is told to run is run here, on a machine that has the packages."""

from pathlib import Path

import yaml

from cdk.image_component import ARCHIVE, render_image_component
from cdk.worker_runtime import digest
from tests.cdk.boot.conftest import BUCKET, KEY
from tests.cdk.boot.fresh_root import Machine


def test_every_command_of_the_component_succeeds(baked: Machine, runtime: Path) -> None:
    component = yaml.safe_load(render_image_component(bucket=BUCKET, key=KEY, sha256=digest(runtime)))
    build, validate = component["phases"]
    fetch, bake = build["steps"]
    (proof,) = validate["steps"]
    assert fetch["action"] == "S3Download"
    assert fetch["inputs"] == [{"source": f"s3://{BUCKET}/{KEY}", "destination": ARCHIVE, "overwrite": True}]
    (baked.root / ARCHIVE.removeprefix("/")).write_bytes(runtime.read_bytes())
    for step in (bake, proof):
        assert step["action"] == "ExecuteBash"
        baked.run("bash", "-c", "\n".join(step["inputs"]["commands"]))


def test_a_bake_starts_nothing(baked: Machine, runtime: Path) -> None:
    (baked.root / "etc/flotilla/boot.env").unlink()  # an image is made before anybody knows of a stage
    baked.run("/opt/flotilla/runtime/boot/provision", "bake")
    assert not [note for note in baked.notes() if " start" in note or " restart" in note or note.startswith("mount")]
