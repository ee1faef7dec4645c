"""One thread for TensorFlow, everywhere that a model is trained.

Two one-thread workers train about twice as many trials as one of two threads, and the numbers of a
trial then depend on no scheduling: it gives the same in every engine.
"""

import logging

logger = logging.getLogger(__name__)


def use_one_thread() -> None:
    """Limits TensorFlow to one thread, if it has not run anything yet; silences its chatter."""
    import tensorflow as tf

    tf.get_logger().setLevel(logging.ERROR)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logger.info("TensorFlow runs already in this process: its threads stay as they are.")
