"""How TensorFlow runs everywhere that a model is trained: on one thread, graphs as they are traced.

Two one-thread workers train about twice as many trials as one of two threads, and the numbers of a
trial then depend on no scheduling: it gives the same in every engine.
"""

import logging

logger = logging.getLogger(__name__)


def use_one_thread() -> None:
    """Limits TensorFlow to one thread, if it has not run anything yet; silences its chatter.

    Its graph optimiser is switched off: it costs 0.15 s for each trial, or rung of one, and the
    loop over batches runs no faster for it.
    """
    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.info("TensorFlow already runs in this process, so its threads cannot be limited.")
