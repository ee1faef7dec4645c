"""The settings that a run directory holds, as a command that goes on with the run needs them."""

from recsearch.config.run_config import RunConfig, make_config
from recsearch.errors import ConfigError, RunDirectoryError
from recsearch.results.record import RunRecord


def stored_config(run: RunRecord) -> RunConfig:
    """Returns the settings of a run.

    Raises:
        RunDirectoryError: If run.json has none, or they do not fit together.
    """
    try:
        return make_config(run.needed("config"))
    except ConfigError as error:
        # The faults quote values, so they are not shown.
        raise RunDirectoryError(
            f"{run.directory / 'run.json'} is damaged: expected settings under 'config' that fit "
            f"together, received {len(error.faults)} that do not."
        ) from None


def resumable_config(run: RunRecord) -> RunConfig:
    """Returns the settings of a run, if run.json says all that continuing the run needs.

    Raises:
        RunDirectoryError: If a key is missing, or the settings do not fit together.
    """
    data = run.needed("data")
    for key in ("space", "validation_protocol"):
        run.needed(key)
    missing = [key for key in ("fingerprint", "split") if key not in data]
    if missing:
        raise RunDirectoryError(
            f"{run.directory / 'run.json'} is damaged: data: expected the key '{missing[0]}', "
            "received an object without it."
        )
    return stored_config(run)
