"""Why a trial ended as it did: Harbor's exception names, and the fleet's own reasons, as a few causes to act on."""

from enum import StrEnum


class Cause(StrEnum):
    """What to blame, in the words that a run shows."""

    SANDBOX = "sandbox"
    """The environment failed: a container or sandbox did not start, or the engine broke."""
    TASK_ENVIRONMENT = "task_environment"
    """The task's own environment cannot be built or started: its Dockerfile, Compose file or health check fails."""
    IMAGE_UNAVAILABLE = "image_unavailable"
    """A registry did not give the image."""
    MODEL_PROVIDER = "model_provider"
    """The model's API failed, throttled or refused the key."""
    AGENT_BUDGET = "agent_budget"
    """The agent used up its time, tokens or context."""
    AGENT_REFUSAL = "agent_refusal"
    """The model refused the task for safety."""
    AGENT = "agent"
    """The agent itself failed: its program ended with an error."""
    VERIFIER = "verifier"
    """The task's tests gave no reward that can be read, or ran out of time."""
    HARNESS = "harness"
    """Harbor or the worker failed, not the task."""
    TASK_INVALID = "task_invalid"
    """Harbor refuses the task or the agent's settings, or its Compose file asks for what is the host's."""
    STORAGE_EXCEEDED = "storage_exceeded"
    """The trial wrote more into its environment than its task declares, or than a trial may."""
    OUTPUT_EXCEEDED = "output_exceeded"
    """The trial wrote more logs and artifacts than a trial may."""
    MEMORY_EXCEEDED = "memory_exceeded"
    """The trial needed more memory than its task declares, or than a trial may, and the kernel ended what needed it."""
    PROCESSES_EXCEEDED = "processes_exceeded"
    """The trial started as many processes as a trial may, and went on."""
    TIME_LIMIT = "time_limit"
    """The trial outlived every limit of its phases together and was stopped."""
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a word, not a secret
    """The job names a secret that the worker was not given."""
    CANCELLED = "cancelled"
    """Somebody cancelled the job."""
    UNCLASSIFIED = "unclassified"
    """An exception whose name is not known here."""
    SPOT_RECLAIMED = "spot_reclaimed"
    """The worker had to leave before the trial was done."""
    HOST_LOST = "host_lost"
    """The worker fell silent."""
    DELIVERY_EXHAUSTED = "delivery_exhausted"
    """Its message came to workers a thousand times, twice over, and none of them could start it."""
    HOST_RESOURCE = "host_resource"
    """The worker's disk, memory or processes were used up."""
    GIVEN_BACK = "given_back"
    """Its worker held the run without knowing of it: the answer to its claim was lost."""
    NEVER_FITS = "never_fits"
    """What the task declares (CPUs, memory, storage) is more than any worker has."""
    BUDGET_STOPPED = "budget_stopped"
    """What the job may cost was used up."""


INFRASTRUCTURE: frozenset[Cause] = frozenset(
    {Cause.SANDBOX, Cause.IMAGE_UNAVAILABLE, Cause.HOST_RESOURCE, Cause.HARNESS}
)
"""Causes that are nobody's result: the run is tried again, on a budget of its own."""

FINAL: frozenset[Cause] = frozenset({Cause.NEVER_FITS, Cause.BUDGET_STOPPED})
"""Causes that a further trial would only meet again: the run is errored at once, whatever its `max_trials`."""

_NAMES: dict[Cause, tuple[str, ...]] = {
    Cause.SANDBOX: (
        "EnvironmentStartTimeoutError", "SandboxBuildFailedError", "SandboxLikelyOutOfMemoryError", "SandboxLostError",
        "SandboxStartError", "ComposeMissingError", "ContainerStartError", "EngineUnavailableError", "EngineError",
        "NotReachedError", "AnswerLostError", "ImageGoneError",
        "ServiceOperationsUnsupportedError", "AddTestsDirError", "DownloadVerifierDirError", "ConnectionRefusedError",
        "GKEExecStreamClosedError", "GKEPodNotFoundError", "SSHAccessError", "VercelScopeError", "_SnapshotNeedsCreate",
    ),
    Cause.TASK_ENVIRONMENT: (
        "ImageBuildError", "ImageBuildTimeoutError", "SandboxBuildError", "SandboxUnsupportedError", "HealthcheckError",
        "ComposeUpError", "ImageNotFoundError",
    ),
    Cause.IMAGE_UNAVAILABLE: ("ImagePullError",),
    Cause.MODEL_PROVIDER: (
        "AgentAuthenticationError", "APIConnectionError", "ApiConnectionClosedError", "ApiConnectionError", "APIError",
        "ApiError", "ApiInternalServerError", "ApiKeyRejectedError", "ApiOverloadedError",
        "ApiProviderResourceNotFoundError", "ApiRateLimitError", "ApiResponseStalledError", "ApiUsageLimitError",
        "AuthenticationError", "BadRequestError", "InternalServerError", "ModelNotFoundError", "NetworkConnectionError",
        "NotFoundError", "PermissionDeniedError", "RateLimitError", "ServiceUnavailableError", "Timeout",
        "UnknownApiError",
    ),
    Cause.AGENT_BUDGET: (
        "AgentTimeoutError", "ContextLengthExceededError", "ContextWindowExceededError", "OutputLengthExceededError",
        "OutputTokenExceededError",
    ),
    Cause.AGENT_REFUSAL: ("AgentSafetyRefusalError",),
    Cause.AGENT: ("AgentSetupTimeoutError", "NonZeroAgentExitCodeError", "RuntimeRequestError"),
    Cause.VERIFIER: (
        "RewardFileEmptyError", "RewardFileNotFoundError", "VerifierOutputParseError", "VerifierTimeoutError",
    ),
    Cause.HARNESS: (  # the last ones are of Harbor's services, which no trial of ours asks for anything
        "TrialProcessDied", "RegradeError", "MultimodalExportError", "StreamError", "_BatchUpdateError",
        "EmptyDatasetError", "UnavailableDatasetTasksError", "TaskVersionNotFoundError", "HarborHubAgentCatalogError",
        "HostedNotApprovedError", "HostedQuotaExceededError", "LeaderboardAPIError", "NotAuthenticatedError",
        "OAuthCallbackError", "OwnerOrgError", "RegistryCredentialReplacementRequired", "SecretReplacementRequired",
        "StaleAccessTokenError",
    ),
    Cause.TASK_INVALID: (
        "DspyImportError",
        "ComposeFileError", "FileNotFoundError", "MissingExtraError", "TOMLDecodeError", "ValidationError",
        "ValueError",
    ),
    Cause.STORAGE_EXCEEDED: ("StorageExceeded",),
    Cause.OUTPUT_EXCEEDED: ("OutputExceeded",),
    Cause.MEMORY_EXCEEDED: ("MemoryError", "MemoryExceeded", "MemoryLimitExceededError"),
    Cause.PROCESSES_EXCEEDED: ("ProcessesExceeded",),
    Cause.TIME_LIMIT: ("TrialTimeLimitExceeded",),
    Cause.SECRET_MISSING: ("SecretMissing",),
    Cause.CANCELLED: ("CancelledError",),
}  # fmt: skip

_BY_NAME: dict[str, Cause] = {name: cause for cause, names in _NAMES.items() for name in names}

_BY_MESSAGE: tuple[tuple[str, Cause], ...] = (
    ("no space left on device", Cause.HOST_RESOURCE),
    ("could not find an available, non-overlapping", Cause.HOST_RESOURCE),
    ("all predefined address pools have been fully subnetted", Cause.HOST_RESOURCE),
    ("cannot allocate memory", Cause.HOST_RESOURCE),
    ("file too large", Cause.OUTPUT_EXCEEDED),
    ("toomanyrequests", Cause.IMAGE_UNAVAILABLE),
    ("pull access denied", Cause.TASK_ENVIRONMENT),
    ("manifest unknown", Cause.TASK_ENVIRONMENT),
    ("docker compose command failed", Cause.TASK_ENVIRONMENT),
)
"""Harbor raises plain `RuntimeError` for what its engine says; the engine's own words tell them apart."""


_SPOKEN_BY_THE_ENGINE = frozenset(
    {"RuntimeError", "OSError", "ContainerStartError", "EngineError", "ImageBuildError", "ImagePullError"}
)


def cause_of(exception: str, message: str) -> Cause:
    """The cause behind an exception's class name and message; unknown names are `UNCLASSIFIED`."""
    lowered = message.lower()
    spoken = next((cause for words, cause in _BY_MESSAGE if words in lowered), None)
    if spoken is not None and exception in _SPOKEN_BY_THE_ENGINE:
        return spoken
    return _BY_NAME.get(exception, Cause.UNCLASSIFIED)
