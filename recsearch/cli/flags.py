"""The flags that several commands share, in groups."""

from typing import Any

from recsearch.config.run_config import ENGINES, SPLITS, TASKS, TUNERS


def add_data_flags(group: Any) -> None:
    """Adds what names the data and says how they are read and split."""
    group.add_argument(
        "--data",
        metavar="PATH",
        help="interactions: CSV, TSV, JSON lines (also .gz or .zip), Parquet, a directory of such "
        "files, MovieLens, RecBole, lines `user item item ...` "
        "(default: an embedded, generated data set)",
    )
    group.add_argument("--users", metavar="PATH", help="table of users, one row an id")
    group.add_argument("--items", metavar="PATH", help="table of items, one row an id")
    group.add_argument("--test", metavar="PATH", help="test interactions, if they are given")
    group.add_argument(
        "--validation", metavar="PATH", help="validation interactions, if they are given"
    )
    group.add_argument(
        "--test-candidates",
        metavar="PATH",
        help="lists to rank the test positives in: columns user, item, then the negatives",
    )
    for role in ("user", "item", "label", "timestamp"):
        group.add_argument(
            f"--{role}-column",
            metavar="NAME",
            help=f"name of the {role} column (default: found by its usual names)",
        )
    _add_switch(
        group,
        "--no-header",
        "files of interactions have no header line: 2 to 4 columns are user, item, label, "
        "timestamp; else name them by position (--user-column 1 --item-column 2)",
    )
    group.add_argument("--task", choices=TASKS, help="what to learn (default: detected, and told)")
    group.add_argument(
        "--positive-from",
        type=float,
        metavar="X",
        help="for --task implicit: labels from X up are positives (default: every row is)",
    )
    group.add_argument(
        "--missing-label", type=float, metavar="X", help="a label that means 'not rated'"
    )
    group.add_argument(
        "--split",
        choices=SPLITS,
        help="how to cut train, validation and test, 80/10/10 where a ratio applies; cold-users "
        "and cold-items hold out whole users and items (default: random for ratings and clicks, "
        "leave-last-out for implicit, leave-one-out without timestamps)",
    )


def add_search_flags(group: Any) -> None:
    """Adds what the search is told."""
    group.add_argument("--tuner", choices=TUNERS, help="what decides (default: hyperband)")
    add_objective_flag(group)
    group.add_argument(
        "--max-trials",
        type=int,
        metavar="N",
        help="configurations to try (default: 20; for hyperband its whole plan)",
    )
    group.add_argument(
        "--max-epochs", type=int, metavar="N", help="epochs of a fully trained trial (default: 9)"
    )
    group.add_argument(
        "--min-epochs",
        type=int,
        metavar="N",
        help="hyperband: leave out brackets that begin with fewer epochs (default: 1)",
    )
    group.add_argument(
        "--minutes",
        type=float,
        metavar="M",
        help="end the search after M minutes: running trials end after their epoch, and count",
    )
    group.add_argument(
        "--trial-minutes",
        type=float,
        metavar="M",
        help="stop a trial that takes longer; building a "
        "model may take 5 minutes at most in any case",
    )
    group.add_argument(
        "--patience",
        type=int,
        metavar="N",
        help="end a trial after N epochs without a better score (default: never)",
    )
    group.add_argument(
        "--validation-users",
        type=int,
        metavar="N",
        help="implicit: rank the catalogue for a sample of N users after each epoch (default: as "
        "many as the time of two thirds of an epoch pays for)",
    )
    group.add_argument(
        "--max-parameters", type=int, metavar="N", help="do not train models with more parameters"
    )
    group.add_argument(
        "--final-seeds",
        type=int,
        metavar="N",
        help="retrain the winner with N seeds and tell the spread; the first one is exported "
        "(default: 1)",
    )
    _add_switch(
        group,
        "--search-only",
        "end after the search, without a look at the test part; `recsearch resume` retrains, "
        "tests and exports the winner",
    )
    group.add_argument(
        "--keep-checkpoints",
        type=int,
        metavar="K",
        help="keep the state after the last epoch of the K best trials (default: 1)",
    )
    group.add_argument(
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="fix or narrow a hyperparameter: NAME=VALUE, NAME=LOW:HIGH or NAME=A,B,C (quote a "
        "text that contains a comma: 'NAME=\"a,b\",c'); repeatable",
    )
    group.add_argument(
        "--enqueue",
        action="append",
        metavar="NAME=VALUE,...",
        help="a configuration to try first, or an earlier run's hyperparameters.json; repeatable",
    )


def add_machine_flags(group: Any) -> None:
    """Adds where the search runs and what it leaves."""
    group.add_argument("--workers", type=int, metavar="N", help="worker processes (default: 1)")
    group.add_argument(
        "--engine",
        choices=ENGINES,
        help="where trials run (default: local worker "
        "processes; inline: in this process and unprotected, for debugging a builder)",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="for --engine ray: the cluster, or auto for the one that this machine belongs to "
        "(default: a Ray on this machine alone)",
    )
    group.add_argument(
        "--cpus-per-trial",
        type=float,
        metavar="X",
        help="for --engine ray: CPUs to set aside for each worker (default: 1)",
    )
    group.add_argument(
        "--gpus-per-trial",
        type=float,
        metavar="X",
        help="for --engine ray: GPUs to set aside for each worker; a fraction shares one "
        "(default: 0)",
    )
    add_seed_flag(group)
    add_tensorboard_flag(group)
    group.add_argument(
        "--out", metavar="DIR", help="run directory (default: runs/<date-time>-<spaces>)"
    )
    group.add_argument(
        "--config", metavar="FILE.toml", help="settings from a file; flags win over it"
    )


def add_objective_flag(group: Any) -> None:
    """Adds the metric by which models are compared."""
    group.add_argument(
        "--objective",
        metavar="METRIC",
        help="validation metric to optimise (default: rmse, ndcg@10 or auc, by task)",
    )


def add_tensorboard_flag(group: Any) -> None:
    """Adds whether TensorBoard can follow the search."""
    _add_switch(
        group,
        "--tensorboard",
        "write curves and HParams for TensorBoard while the search runs, into "
        "DIR/tensorboard (see them: tensorboard --logdir DIR/tensorboard)",
    )


def _add_switch(group: Any, flag: str, text: str) -> None:
    """Adds a switch; where it is not given, a run file may ask for it."""
    group.add_argument(flag, action="store_true", default=None, help=text)


def add_seed_flag(group: Any) -> None:
    """Adds the seed."""
    group.add_argument("--seed", type=int, metavar="N", help="seed of everything (default: 0)")
