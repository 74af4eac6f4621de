"""Preloaded into a nursery, lets only the first of those that share a directory start."""

import os
from pathlib import Path

Path(os.environ["ONLY_ONCE_IN"], "started").touch(exist_ok=False)
