"""Where everything lies on the shared file system.

jobs/{job_id}/
  task/                        the task, as uploaded
  bundle.zip | bundle.tar.gz   the same in one file, what workers fetch
  job_run_{N}/task__{hash}/    one directory a trial
bundles/{sha256}               every archive once
uploads/                       uploads under way
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

DEFAULT_SHARED = Path("/shared/harbor-jobs")


class BundleFormat(StrEnum):
    """The two kinds of archive; the value is the file name's ending."""

    ZIP = "zip"
    TAR_GZ = "tar.gz"


def run_directory(job_id: str, number: int) -> PurePosixPath:
    """The directory of run `number`, relative to the shared root."""
    return PurePosixPath("jobs", job_id, f"job_run_{number}")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one shared root."""

    root: Path

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    def bundle(self, sha256: str) -> Path:
        return self.bundles / sha256

    def job(self, job_id: str) -> Path:
        return self.root / "jobs" / job_id

    def job_task(self, job_id: str) -> Path:
        return self.job(job_id) / "task"

    def job_bundle(self, job_id: str, form: BundleFormat) -> Path:
        return self.job(job_id) / f"bundle.{form}"

    def run(self, job_id: str, number: int) -> Path:
        return self.root / run_directory(job_id, number)

    def trial(self, job_id: str, number: int, trial_name: str) -> Path:
        return self.run(job_id, number) / trial_name
