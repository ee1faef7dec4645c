"""The settings of a run in words: the one source of flags, their help and README's table.

`recsearch.config.run_config.RunConfig` declares the types and the defaults.
"""

from dataclasses import dataclass

from recsearch.data.task import SPLIT_METHODS, Task

TASKS = tuple(str(task) for task in Task)
TUNERS = ("random", "hyperband", "bayesian")
ENGINES = ("local", "ray", "inline")


@dataclass(frozen=True)
class Setting:
    """One setting in words.

    Attributes:
        help: What it does.
        metavar: Placeholder of its value in help.
        default: What applies if it is not given, where the value in `RunConfig` does not show it.
        choices: Its values, if there are only these.
    """

    help: str
    metavar: str | None = None
    default: str = ""
    choices: tuple[str, ...] = ()


def _column(role: str) -> Setting:
    return Setting(f"name of the {role} column", "NAME", "recognised by its usual names")


DATA = {
    "data": Setting(
        "interactions: CSV, TSV, JSON lines (also .gz or .zip), Parquet, a directory of such "
        "files, MovieLens, RecBole, or lines `user item item ...`",
        "PATH",
        "a built-in generated data set",
    ),
    "users": Setting("user features, one row per user id", "PATH"),
    "items": Setting("item features, one row per item id", "PATH"),
    "test": Setting("test interactions, if the data are already split", "PATH"),
    "validation": Setting("validation interactions, if the data are already split", "PATH"),
    "test_candidates": Setting(
        "candidate lists in which the test positives are ranked: columns user, item, then the "
        "negatives",
        "PATH",
    ),
    "user_column": _column("user"),
    "item_column": _column("item"),
    "label_column": _column("label"),
    "timestamp_column": _column("timestamp"),
    "no_header": Setting(
        "the interaction files have no header line: 2 to 4 columns are read as user, item, label, "
        "timestamp; otherwise name the columns by position (--user-column 1 --item-column 2)"
    ),
    "task": Setting(
        "prediction task", default="inferred from the data and reported", choices=TASKS
    ),
    "positive_from": Setting(
        "with --task implicit: labels of X or more are positives", "X", "every row is a positive"
    ),
    "missing_label": Setting("label that means 'not rated'", "X"),
    "split": Setting(
        "how to split the data into train, validation and test (80/10/10, except for "
        "leave-last-out and leave-one-out); cold-users and cold-items hold out all interactions of "
        "some users or items",
        default="random for ratings and clicks, leave-last-out for implicit data, leave-one-out if "
        "it has no timestamps",
        choices=SPLIT_METHODS,
    ),
}

SEARCH = {
    "tuner": Setting("search strategy", choices=TUNERS),
    "objective": Setting(
        "validation metric to optimise", "METRIC", "rmse, ndcg@10 or auc, depending on the task"
    ),
    "max_trials": Setting(
        "number of configurations to try", "N", "20; with hyperband, as many as its plan contains"
    ),
    "max_epochs": Setting("number of epochs of a fully trained trial", "N"),
    "min_epochs": Setting("hyperband: skip brackets that start with fewer than N epochs", "N"),
    "minutes": Setting(
        "stop the search after M minutes; running trials finish their epoch and keep their score",
        "M",
        "no limit",
    ),
    "trial_minutes": Setting(
        "time limit per trial, in minutes; building a model is always limited to 5 minutes",
        "M",
        "no other limit",
    ),
    "patience": Setting("stop a trial after N epochs without a better score", "N", "never"),
    "validation_users": Setting(
        "implicit data: rank the catalogue for a random sample of N users after each epoch",
        "N",
        "as many as can be ranked in two thirds of an epoch's training time",
    ),
    "max_parameters": Setting("do not train models with more than N parameters", "N", "no limit"),
    "final_seeds": Setting(
        "retrain the winner with N seeds and report the standard deviation; the model of the first "
        "seed is exported",
        "N",
    ),
    "search_only": Setting(
        "stop after the search, without evaluating on the test part; `recsearch resume` then "
        "retrains, tests and exports the winner"
    ),
    "keep_checkpoints": Setting("keep the checkpoint of the last epoch of the K best trials", "K"),
    "set": Setting(
        "fix or narrow a hyperparameter: NAME=VALUE, NAME=LOW:HIGH or NAME=A,B,C (quote a value "
        "that contains a comma: 'NAME=\"a,b\",c'); can be repeated",
        "NAME=VALUE",
    ),
    "enqueue": Setting(
        "configuration to try first, or the path of an earlier run's hyperparameters.json; can be "
        "repeated",
        "NAME=VALUE,...",
    ),
}

MACHINE = {
    "workers": Setting("number of worker processes", "N"),
    "engine": Setting(
        "where trials run: in local worker processes, in workers of a Ray cluster, or inline, in "
        "this process and without protection, to debug a builder",
        choices=ENGINES,
    ),
    "address": Setting(
        "with --engine ray: address of the cluster, or auto for the cluster that this machine "
        "belongs to",
        "HOST:PORT",
        "start Ray on this machine only",
    ),
    "cpus_per_trial": Setting("with --engine ray: CPUs reserved per worker", "X"),
    "gpus_per_trial": Setting(
        "with --engine ray: GPUs reserved per worker; with a fraction, workers share a GPU", "X"
    ),
    "seed": Setting("random seed of the split, the search and the training", "N"),
    "tensorboard": Setting(
        "write learning curves and HParams for TensorBoard into DIR/tensorboard during the search "
        "(view them with tensorboard --logdir DIR/tensorboard)"
    ),
    "out": Setting("run directory", "DIR", "runs/DATE-TIME-SPACES"),
}

SPACES = Setting(
    "name from `recsearch spaces`, ./file.py:build or package.module:build; several spaces are "
    "searched together; the space is then one more hyperparameter",
    "SPACE",
)

SETTINGS = {"spaces": SPACES, **DATA, **SEARCH, **MACHINE}
"""Field of `RunConfig` -> its description, in the order of `recsearch run --help`."""
