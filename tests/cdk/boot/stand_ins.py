"""What a machine of the tests has instead of what only a machine on AWS has. Each notes how it was called."""

from pathlib import Path

NOTES = "/var/log/stand-ins"

CLOUD_CONFIGURATION = """\
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: [write_files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_user]
"""
"""The parts of cloud-init that the user data uses. The others would change what all machines here share: the kernel."""

NOTE = f'#!/bin/bash\necho "${{0##*/}} $*" >>{NOTES}\n'

PROGRAMS = {
    # There is no service manager: every unit starts and is active, unless the test wants it to fail.
    "systemctl": NOTE + '[[ "$*" =~ ^(enable|start --no-block) ]] || [ ! -e "/fails/${*: -1}" ]\n',
    "journalctl": NOTE,
    "poweroff": NOTE,
    # The kernel is this machine's: it is asked whether it knows the settings, and not told them.
    "sysctl": NOTE + 'exec /usr/sbin/sysctl --dry-run "$@"\n',
    "sleep": NOTE,
}

MOUNT_HELPER = (
    NOTE + '[ "$1" != --version ] || exit 0\n[ ! -e /fails/mount.efs ] || exit 32\nmount -t tmpfs tmpfs "$2"\n'
)
"""In place of AWS's `mount.efs`, which `mount` calls with the file system, the directory, and its options."""


def put_stand_ins(root: Path) -> None:
    """Lays them where a machine finds them first."""
    for name, program in PROGRAMS.items():
        path = root / "usr/local/bin" / name
        path.write_text(program)
        path.chmod(0o755)
    (root / "etc/cloud/cloud.cfg.d/99-stand-ins.cfg").write_text(CLOUD_CONFIGURATION)
