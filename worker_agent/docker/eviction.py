"""Which images go when there are too many: decided on layers, since most images share theirs with others."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer that takes up `size` bytes once, however many images have it; `key` tells it from others."""

    key: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of ours: all its names, its last use, its layers, and whether something runs in it."""

    id: str
    names: Sequence[str]
    used_at: float
    layers: Sequence[Layer]
    in_use: bool


def footprint(images: Collection[Image], *, of_others: Collection[str]) -> int:
    """The bytes that would be free without these images; layers that others need as well, by key, do not count."""
    layers = {layer.key: layer.size for image in images for layer in image.layers if layer.key not in of_others}
    return sum(layers.values())


def surplus(images: Collection[Image], *, of_others: Collection[str], allowed: float) -> list[Image]:
    """What has to go, the least recently used first, so that the footprint of the rest is no more than allowed."""
    holders = Counter(key for image in images for key in {layer.key for layer in image.layers})
    left = footprint(images, of_others=of_others)
    going = []
    for image in sorted((image for image in images if not image.in_use), key=lambda image: image.used_at):
        if left <= allowed:
            break
        going.append(image)
        left -= sum(size for key, size in _sizes(image).items() if holders[key] == 1 and key not in of_others)
        holders.subtract(_sizes(image).keys())
    return going


def _sizes(image: Image) -> Mapping[str, int]:
    return {layer.key: layer.size for layer in image.layers}
