"""Slow imports at the start of a run, done in parallel."""

from recsearch.system.tensorflow_import import import_tensorflow, require_tensorflow_backend
from recsearch.tuning.engines.process import start_fork_server


def import_tensorflow_for(engine: str, lean: bool = False) -> None:
    """Imports TensorFlow in this process and, in parallel, in the fork server of the workers.

    Args:
        engine: As in the settings.
        lean: As in `import_tensorflow`.

    Raises:
        UsageError: If Keras is set to another backend than TensorFlow.
    """
    require_tensorflow_backend()
    if engine == "local":
        start_fork_server()
    import_tensorflow(lean)
