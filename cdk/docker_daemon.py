"""The configuration of the Docker engine on a worker's machine."""

import json

from cdk.address_pool import AddressPool

LOG_SIZE = "10m"
LOG_FILES = "3"
BUILD_CACHE = "20GB"
OPEN_FILES = 1_048_576


def daemon_configuration(pool: AddressPool) -> str:
    """`/etc/docker/daemon.json`, as text."""
    configuration = {
        "default-address-pools": [{"base": str(pool.base), "size": pool.network_prefix}],
        "live-restore": True,  # trials outlive a restart of the engine
        "log-driver": "json-file",
        "log-opts": {"max-size": LOG_SIZE, "max-file": LOG_FILES},
        "storage-driver": "overlay2",
        "builder": {"gc": {"enabled": True, "defaultKeepStorage": BUILD_CACHE}},
        # Without a limit of their own some programs go through a thousand million descriptors before they start.
        "default-ulimits": {"nofile": {"Name": "nofile", "Hard": OPEN_FILES, "Soft": OPEN_FILES}},
    }
    return json.dumps(configuration, indent=2) + "\n"
