"""What `task.toml` wants collected when a phase is over."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator, model_validator

from flotilla.task.wrong import wrong

MAIN_SERVICE = "main"
"""The Compose service that the agent works in."""

_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*$")


def _checked_service(name: str) -> str:
    name = name.strip()
    if not _SERVICE.match(name):
        raise wrong(
            f"{name!r} is no name for a Compose service.",
            "Begin with a letter or digit, and go on with these, hyphens, underscores and dots.",
        )
    return name


Service = Annotated[str, AfterValidator(_checked_service)]


class Artifact(BaseModel):
    """Something to collect: a path in a service's container, and where it goes below `artifacts/`."""

    source: str
    destination: str | None = None
    exclude: list[str] = Field(default_factory=list)
    service: Service | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_path_is_a_source(cls, data: Any) -> Any:
        return {"source": data} if isinstance(data, str) else data

    @field_validator("source")
    @classmethod
    def _source_stays_below(cls, source: str) -> str:
        if ".." in PurePosixPath(source).parts:
            raise wrong(f"The source {source!r} climbs by '..'.", "Give the path without '..'.")
        return source

    @field_validator("destination")
    @classmethod
    def _destination_stays_below(cls, destination: str | None) -> str | None:
        if not destination:
            return None
        path = PurePosixPath(destination)
        if "\\" in destination or path.is_absolute() or not path.parts or ".." in path.parts:
            raise wrong(
                f"The destination {destination!r} is no path below artifacts/.",
                "Give a relative path with '/' between folders and without '..'.",
            )
        if destination.rstrip("/") == "manifest.json":
            raise wrong("Harbor writes manifest.json itself.", "Choose another destination.")
        return destination

    @field_validator("service")
    @classmethod
    def _sidecar_needs_an_absolute_source(cls, service: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source", "/")  # a broken source is reported already
        if service not in {None, MAIN_SERVICE} and not re.match(r"/|[A-Za-z]:[/\\]", source):
            raise wrong(f"{source!r} is to come from the service {service}.", "Give the source as an absolute path.")
        return service
