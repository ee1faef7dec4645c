"""The settings of TensorFlow wherever a model is trained: one thread, no graph optimiser.

Two workers with one thread train about twice as many trials as one worker with two threads. On one
thread the results do not depend on scheduling either: a trial gives the same numbers in every
engine.
"""

import logging

logger = logging.getLogger(__name__)


def use_one_thread() -> None:
    """Limits TensorFlow to one thread, if it has not run anything yet, and silences its log.

    Its graph optimiser is switched off: it takes 0.15 s per trial or rung, and does not make the
    loop over batches faster.
    """
    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.info("TensorFlow already runs in this process, so its threads cannot be limited.")
