"""The value below which a share of the samples lies."""

from collections.abc import Sequence
from math import ceil


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least this share of them does not exceed."""
    return sorted(samples)[max(ceil(share * len(samples)), 1) - 1]
