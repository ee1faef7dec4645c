"""The settings of a stored run, for commands that continue it."""

from recsearch.config.run_config import RunConfig, make_config
from recsearch.errors import ConfigError, RunDirectoryError
from recsearch.results.record import RunRecord


def stored_config(run: RunRecord) -> RunConfig:
    """Returns the settings of a run.

    Raises:
        RunDirectoryError: If run.json has none, or they do not fit together.
    """
    if "config" not in run.description.json:
        raise run.lacks("config")
    try:
        return make_config(dict(run.description.config))
    except ConfigError as error:
        # The faults quote values, so they are not shown.
        raise RunDirectoryError(
            f"{run.directory / 'run.json'} is damaged: expected settings under 'config' that fit "
            f"together, received {len(error.faults)} that do not."
        ) from None


def resumable_config(run: RunRecord) -> RunConfig:
    """Returns the settings of a run if run.json has everything that a resumed run needs.

    Raises:
        RunDirectoryError: If a key is missing, or the settings do not fit together.
    """
    for key in ("data", "space", "validation_protocol"):
        if key not in run.description.json:
            raise run.lacks(key)
    data = run.description.data
    for key, value in (("fingerprint", data.fingerprint), ("split", data.split)):
        if value is None:
            raise RunDirectoryError(
                f"{run.directory / 'run.json'} is damaged: data: expected the key '{key}', "
                "received an object without it."
            )
    return stored_config(run)
