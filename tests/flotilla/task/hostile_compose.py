"""Compose files that reach for the host or for other trials, and the key that each is refused for."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """A task's Compose file, the files beside it in `environment/`, and where in them the faults are."""

    name: str
    text: str
    keys: tuple[str, ...]
    """`FILE/KEY/...` below `environment/`; of the Compose file itself without its name."""
    beside: dict[str, str] = field(default_factory=dict)


def _service(name: str, words: str, *keys: str) -> Hostile:
    """A service `a` with these words, refused for its first key if no other is named."""
    first = words.removeprefix("{").partition(":")[0].strip()
    found = tuple(f"services/a/{key}" for key in keys or (first,))
    return Hostile(name=name, text=f"services:\n  a: {words}\n", keys=found)


def _top(name: str, text: str, *keys: str, **beside: str) -> Hostile:
    return Hostile(
        name=name, text=text, keys=keys, beside={key.replace("__", "."): text for key, text in beside.items()}
    )


NAMESPACES = (
    _service("privileged", "{privileged: true}"),
    _service("privileged in words of YAML 1.1", "{privileged: yes}"),
    _service("privileged as text", '{privileged: "True"}'),
    _service("privileged by a variable", "{privileged: '${P}'}"),
    _service("privileged by a variable's default", "{privileged: '${P:-false}'}"),
    _service("host network", "{network_mode: host}"),
    _service("host network in JSON", '{"network_mode": "host"}', "network_mode"),
    _service("network by a variable", "{network_mode: '${NETMODE:-none}'}"),
    _service("network by a bare variable", "{network_mode: $NETMODE}"),
    _service("network of a container", "{network_mode: 'container:other'}"),
    _service("the bridge of all", "{network_mode: bridge}"),
    _service("host processes", "{pid: host}"),
    _service("processes of a container", "{pid: 'container:x'}"),
    _service("host memory", "{ipc: host}"),
    _service("memory of a container", "{ipc: 'container:x'}"),
    _service("host users", "{userns_mode: host}"),
    _service("host name", "{uts: host}"),
    _service("host control groups", "{cgroup: host}"),
    _service("another control group", "{cgroup_parent: /}"),
    _service("a device", "{devices: ['/dev/sda:/dev/sda']}"),
    _service("device rules", "{device_cgroup_rules: ['a *:* rwm']}"),
    _service("an odd device driver", "{gpus: [{driver: cdi, device_ids: [host]}]}", "gpus/0/driver"),
    _service(
        "an odd reserved device",
        "{deploy: {resources: {reservations: {devices: [{driver: cdi}]}}}}",
        "deploy/resources/reservations/devices/0/driver",
    ),
    _service("an administrator", "{cap_add: [SYS_ADMIN]}"),
    _service("all capabilities", "{cap_add: ['all']}"),
    _service("a capability in full", "{cap_add: [CHOWN, cap_sys_module]}"),
    _service("an administrator of networks", "{cap_add: [NET_ADMIN]}"),
    _service("a capability by a variable", "{cap_add: ['${CAP}']}"),
    _service("no seccomp", "{security_opt: ['seccomp:unconfined']}"),
    _service("no apparmor", "{security_opt: ['apparmor=unconfined']}"),
    _service("new privileges", "{security_opt: ['no-new-privileges:false']}"),
    _service("no labels", "{security_opt: ['label:disable']}"),
    _service("a runtime", "{runtime: runc}"),
    _service("the engine's socket by name", "{use_api_socket: true}"),
    _service("a program of the host", "{provider: {type: sh}}"),
    _service("credentials", "{credential_spec: {file: x.json}}"),
    _service("a key from the future", "{host_everything: true}"),
    _service("no end to memory", "{oom_kill_disable: true}"),
    _service("others first", "{oom_score_adj: -900}"),
    _service("no end to processes", "{pids_limit: -1}"),
    _service("no end to processes in deploy", "{deploy: {resources: {limits: {pids: 0}}}}",
             "deploy/resources/limits/pids"),
    _top("containers without end", "services: {" + ", ".join(f"s{n}: {{image: x}}" for n in range(21)) + "}",
         "services"),
    _top("replicas without end", "services: {a: {deploy: {replicas: 1000}}}", "services"),
    _top("a scale without end", "services: {a: {scale: 15}, b: {scale: '6'}}", "services"),
    _service("a scale by a variable", "{scale: '${N:-1}'}"),
    _service("real time", "{ulimits: {rtprio: 99}}", "ulimits/rtprio"),
    _service("a kernel setting", "{sysctls: {kernel.core_pattern: x}}", "sysctls/kernel.core_pattern"),
    _service("a kernel setting in a list", "{sysctls: ['vm.swappiness=0']}", "sysctls/vm.swappiness"),
    _service("a log past the firewall", "{logging: {driver: syslog}}", "logging/driver"),
    _service("a log to a socket", "{logging: {options: {syslog-address: 'unix:///x'}}}",
             "logging/options/syslog-address"),
    _service("a privileged hook", "{post_start: [{command: x, privileged: true}]}", "post_start/0/privileged"),
    _service("a fixed name", "{container_name: db}"),
    _service("a fixed port", "{ports: ['8080:80']}", "ports/0"),
    _service("a fixed port at an address", "{ports: ['80', '127.0.0.1:8080:80/tcp']}", "ports/1"),
    _service("a fixed port, long", "{ports: [{target: 80, published: 8080}]}", "ports/0"),
    _service("a port by a variable", "{ports: ['${PORT}']}", "ports/0"),
    _service("links to others", "{external_links: [other]}"),
    _service("files of others", "{volumes_from: ['container:other']}"),
    _service("the metadata's address", "{networks: {default: {link_local_ips: [169.254.169.254]}}}",
             "networks/default/link_local_ips"),
    _service("two at once", "{privileged: true, network_mode: host, image: x}", "privileged", "network_mode"),
)  # fmt: skip

MOUNTS = (
    _service("the Docker socket", "{volumes: ['/var/run/docker.sock:/var/run/docker.sock']}", "volumes/0"),
    _service("the socket at another place", "{volumes: ['./x:/x', '/run/docker.sock:/s:ro']}", "volumes/1"),
    _service("the socket's folder", "{volumes: ['/run:/host-run']}", "volumes/0"),
    _service("the socket, long", "{volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]}", "volumes/0"),
    _service("the host's root", "{volumes: ['/:/host']}", "volumes/0"),
    _service("somebody's home", "{volumes: ['~/.aws:/aws']}", "volumes/0"),
    _service("the folder above", "{volumes: ['../solution:/s']}", "volumes/0"),
    _service("the folder above, hidden", "{volumes: ['./a/../../..:/s']}", "volumes/0"),
    _service("a path by a variable", "{volumes: ['${DATA:-./data}:/data']}", "volumes/0"),
    _service("a mount by a variable", "{volumes: ['${MOUNT}']}", "volumes/0"),
    _service("above Harbor's folder", "{volumes: ['${CONTEXT_DIR}/../..:/x']}", "volumes/0"),
    _service("above Harbor's logs", "{volumes: ['${HOST_VERIFIER_LOGS_PATH}/../..:/x']}", "volumes/0"),
    _service("Harbor's folder with a default", "{volumes: ['${CONTEXT_DIR:-/}:/x']}", "volumes/0"),
    _service("a long path by a variable", "{volumes: [{type: bind, source: $X, target: /s}]}", "volumes/0"),
    _service("a path that is called a volume", "{volumes: [{type: volume, source: /etc, target: /s}]}", "volumes/0"),
    _service("a kind by a variable", "{volumes: [{type: $T, source: data, target: /s}]}", "volumes/0/type"),
    _service("a named pipe", "{volumes: [{type: npipe, source: ./x, target: /s}]}", "volumes/0/type"),
    _service("variables from the host", "{env_file: /etc/flotilla/worker.env}"),
    _service("variables from the host, long", "{env_file: [{path: /proc/self/environ, required: false}]}", "env_file"),
    _service("labels from the host", "{label_file: ['../../x']}"),
    _service("a link in the place of a mount", "{volumes: ['./:/all', './data:/data']}", "volumes/0"),
    _service("a link in the place of variables", "{env_file: ./conf/a.env, volumes: ['./conf:/c']}", "volumes/0"),
    _service("writing the Compose file", "{volumes: ['./docker-compose.yaml:/c']}", "volumes/0"),
    _service("writing all", "{volumes: [{type: bind, source: ., target: /c}]}", "volumes/0"),
    _top("a bind that is called a volume",
         "services: {a: {volumes: ['v:/v']}}\nvolumes: {v: {driver_opts: {type: none, o: bind, device: /}}}",
         *(f"volumes/v/driver_opts/{key}" for key in ("type", "o", "device"))),
    _top("a bind that is called a tmpfs",
         "volumes: {v: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m,bind'}}}",
         "volumes/v/driver_opts/o"),
    _top("files over the network", "volumes: {v: {driver_opts: {type: nfs, o: 'addr=10.0.0.1,rw', device: ':/'}}}",
         *(f"volumes/v/driver_opts/{key}" for key in ("type", "o", "device"))),
    _top("a volume by a driver", "volumes: {v: {driver: rexray}}", "volumes/v/driver"),
    _top("a volume of others", "volumes: {v: {external: true}}", "volumes/v/external"),
    _top("a volume of others, old", "volumes: {v: {external: {name: x}}}", "volumes/v/external"),
    _top("a path as a volume's name", "volumes: {v: {name: /etc}}", "volumes/v/name"),
    _top("a secret of the host", "secrets: {s: {file: /etc/shadow}}", "secrets/s/file"),
    _top("a config of the host", "configs: {s: {file: ../../x}}", "configs/s/file"),
    _top("a secret by a variable", "secrets: {s: {file: '${HOME}/.ssh/id'}}", "secrets/s/file"),
    _top("a template of a driver", "configs: {s: {content: x, template_driver: golang}}", "configs/s/template_driver"),
)  # fmt: skip

BUILDS = (
    _service("a context above", "{build: ..}"),
    _service("a context from elsewhere", "{build: 'https://example.com/x.git'}"),
    _service("a context from GitHub", "{build: {context: github.com/a/b}}", "build/context"),
    _service("a context over SSH", "{build: {context: 'git@example.com:a/b'}}", "build/context"),
    _service("a context by a variable", "{build: {context: $DIR}}", "build/context"),
    _service("a Dockerfile above", "{build: {context: ./a, dockerfile: ../../Dockerfile}}", "build/dockerfile"),
    _service("a Dockerfile of the host", "{build: {dockerfile: /etc/passwd}}", "build/dockerfile"),
    _service("another context", "{build: {additional_contexts: {home: /root}}}", "build/additional_contexts/home"),
    _service("another context in a list", "{build: {additional_contexts: ['home=/root']}}",
             "build/additional_contexts/home"),
    _service("a build in the host's network", "{build: {network: host}}", "build/network"),
    _service("a privileged build", "{build: {privileged: true}}", "build/privileged"),
    _service("a build with entitlements", "{build: {entitlements: [security.insecure]}}", "build/entitlements"),
    _service("a build with keys", "{build: {ssh: [default]}}", "build/ssh"),
    _service("an image of all", "{build: {tags: ['debian:bookworm-slim']}}", "build/tags"),
    _service("a cache on the host", "{build: {cache_to: ['type=local,dest=/etc']}}", "build/cache_to"),
    _service("a cache from the host", "{build: {cache_from: ['type=local,src=/root']}}", "build/cache_from"),
)  # fmt: skip

NETWORKS = (
    _top("a network of others", "networks: {n: {external: true}}", "networks/n/external"),
    _top("a network by its name", "networks: {n: {name: bridge}}", "networks/n/name"),
    _top("the host as a network", "networks: {n: {driver: host}}", "networks/n/driver"),
    _top("a network past the bridge", "networks: {default: {driver: macvlan}}", "networks/default/driver"),
    _top("a driver by a variable", "networks: {n: {driver: '${D}'}}", "networks/n/driver"),
    _top("a bridge of the host", "networks: {n: {driver_opts: {com.docker.network.bridge.name: docker0}}}",
         "networks/n/driver_opts/com.docker.network.bridge.name"),
    _top("addresses of the host's network", "networks: {n: {ipam: {config: [{subnet: 10.0.0.0/8}]}}}",
         "networks/n/ipam/config"),
    _top("a model", "models: {m: {model: x}}", "models"),
)  # fmt: skip

WAYS = (
    _top("by an anchor", "x-a: &a {privileged: true}\nservices: {a: *a}", "services/a/privileged"),
    _top("by a merge", "x-a: &a {privileged: true}\nservices: {a: {<<: *a, image: x}}", "services/a/privileged"),
    _top("by a list of merges", "x-a: &a {pid: host}\nx-b: &b {init: true}\nservices: {a: {<<: [*b, *a]}}",
         "services/a/pid"),
    _top("by a merge of services", "x-s: &s {a: {privileged: true}}\nservices: {<<: *s, b: {}}",
         "services/a/privileged"),
    _top("by a tag", "services: {a: {privileged: !override true}}", "services/a/privileged"),
    _top("in a second document", "services: {a: {image: x}}\n---\nservices: {a: {network_mode: host}}",
         "services/a/network_mode"),
    _top("in a profile", "services: {a: {profiles: [x], network_mode: host}}", "services/a/network_mode"),
    _top("in JSON", '{"services": {"a": {"pid": "host"}}}', "services/a/pid"),
    _top("in a service that is extended", "services: {a: {extends: b}, b: {privileged: true}}",
         "services/b/privileged"),
    _top("in a file that is extended", "services: {a: {extends: {file: ./o.yaml, service: b}}}",
         "o.yaml/services/b/privileged", o__yaml="services: {b: {privileged: true}}"),
    _top("in a file that is included", "include: [o.yaml]", "o.yaml/services/b/network_mode",
         o__yaml="services: {b: {network_mode: host}}"),
    _top("in a file that an included one extends", "include: [{path: [o.yml]}]", "p.yaml/services/c/pid",
         o__yml="services: {b: {extends: {file: p.yaml, service: c}}}", p__yaml="services: {c: {pid: host}}"),
    _top("in files that include each other", "include: [o.yaml]", "o.yaml/services/b/pid",
         o__yaml="include: [docker-compose.yaml]\nservices: {b: {pid: host}}"),
    _top("a file above", "include: [../../x.yaml]", "include/0/path"),
    _top("a file from elsewhere", "include: ['https://example.com/x.git']", "include/0/path"),
    _top("a file by a variable", "include: ['${X}.yaml']", "include/0/path"),
    _top("a file that is absent", "include: [absent.yaml]", "absent.yaml"),
    _top("a file that is no YAML by name", "include: [a.txt]", "include/0/path", a__txt="services: {}"),
    _top("variables for an included file", "include: [{path: o.yaml, env_file: /etc/x}]", "include/0/env_file",
         o__yaml="services: {}"),
    _top("a folder for an included file", "include: [{path: o.yaml, project_directory: /}]",
         "include/0/project_directory", o__yaml="services: {}"),
    _top("an extended file of the host", "services: {a: {extends: {file: /x.yaml, service: b}}}",
         "services/a/extends/file"),
    _top("a link in the place of an included file", "include: [o.yaml]\nservices: {a: {volumes: ['./o.yaml:/o']}}",
         "services/a/volumes/0", o__yaml="services: {}"),
)  # fmt: skip

HOSTILE = (*NAMESPACES, *MOUNTS, *BUILDS, *NETWORKS, *WAYS)

HARMLESS = {
    "Harbor's old form": (
        "services:\n  main:\n    build: {context: '${CONTEXT_DIR}'}\n    image: ${MAIN_IMAGE_NAME}\n"
        "    command: [sh, -c, sleep infinity]\n    environment: ['TEST_DIR=${TEST_DIR}']\n    volumes:\n"
        "      - ${HOST_VERIFIER_LOGS_PATH}:${ENV_VERIFIER_LOGS_PATH}\n      - $HOST_AGENT_LOGS_PATH:/logs/agent\n"
        "    deploy: {resources: {limits: {cpus: '${CPUS}', memory: '${MEMORY}'}}}\n"
    ),
    "namespaces of the task's own": (
        "services: {a: {network_mode: none, ipc: shareable, cgroup: private}, b: {network_mode: 'service:a',"
        " pid: 'service:a', ipc: 'service:a', privileged: false, userns_mode: ''}}"
    ),
    "capabilities of every container": "services: {a: {cap_drop: [ALL], cap_add: [CHOWN, cap_net_raw, SYS_PTRACE]}}",
    "fewer privileges": "services: {a: {security_opt: ['no-new-privileges:true'], read_only: true}}",
    "GPUs": (
        "services: {a: {gpus: all}, b: {deploy: {resources: {reservations: {devices:"
        " [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}}}"
    ),
    "files of the bundle": (
        "services:\n  a:\n    volumes: ['./data/x.sql:/x.sql:ro', 'data:/d', '/anonymous', './own:/own',"
        " {type: tmpfs, target: /t}, {type: bind, source: ./data, target: /e, read_only: true}]\n"
        "    env_file: [a.env, {path: ./b.env, required: false}]\n    secrets: [s]\n"
        "volumes: {data: {}, t: {driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: 'size=10m,uid=1000'}}}\n"
        "secrets: {s: {file: ./s.txt}, e: {environment: KEY}}\nconfigs: {c: {content: 'x $${y}'}}\n"
    ),
    "builds of the bundle": (
        "services: {a: {build: ./a}, b: {build: {context: ./b, dockerfile: ../a/Dockerfile, args: {X: '${Y}'},"
        " network: none, additional_contexts: {base: 'docker-image://debian:12', a: ./a}, cache_from: [x/y]}}}"
    ),
    "networks of the task's own": (
        "services: {a: {networks: {n: {aliases: [x]}}}, b: {networks: [n, m], extra_hosts:"
        " ['host.docker.internal:host-gateway'], dns: 1.1.1.1}}\nnetworks: {n: {internal: true}, m: {driver: bridge}}"
    ),
    "ports of the container alone": "services: {a: {ports: ['80', 81, '127.0.0.1::82', {target: 83}], expose: ['84']}}",
    "some replicas": "services: {a: {scale: 9}, b: {deploy: {replicas: 10}}, c: {}}",
    "limits": (
        "services: {a: {pids_limit: 100, oom_score_adj: 500, ulimits: {nofile: 1000}, shm_size: 1g,"
        " sysctls: {net.core.somaxconn: 1024}, logging: {driver: json-file, options: {max-size: 1m}}}}"
    ),
    "variables where nothing is at stake": "services: {a: {image: '${I:-debian}', command: ['$X'], user: $U}}",
    "reset and override": "services: {a: {ports: !reset [], privileged: !reset null, command: !override [x]}}",
    "keys of nobody": "x-any: {privileged: true}\nservices: {a: {x-any: {pid: host}, image: x}}",
    "a name and a version": "name: x\nversion: '3.8'\nservices: {a: {restart: always, healthcheck: {test: x}}}",
}
