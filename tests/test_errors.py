import inspect

import pytest

from recsearch import errors
from recsearch.errors import ConfigError, DataError, FaultsError, RecsearchError, UsageError

EXIT_CODES = {
    "RecsearchError": 1,
    "RunDirectoryError": 1,
    "SearchError": 1,
    "ExportError": 1,
    "UsageError": 2,
    "FaultsError": 2,
    "ConfigError": 2,
    "DataError": 2,
    "SpaceError": 2,
    "BuildError": 2,
    "InterruptedRunError": 130,
}


def test_every_error_has_its_exit_code() -> None:
    classes = dict(inspect.getmembers(errors, inspect.isclass))
    found = {n: c.exit_code for n, c in classes.items() if issubclass(c, RecsearchError)}
    assert found == EXIT_CODES


def test_every_error_but_the_base_of_faults_is_drawn_in_the_docstring() -> None:
    assert errors.__doc__ is not None
    for name in EXIT_CODES.keys() - {"FaultsError"}:
        assert name in errors.__doc__


def test_single_fault_stands_in_the_line_of_its_subject() -> None:
    error = DataError("ratings.csv", ["The file is empty."])
    assert str(error) == "ratings.csv: The file is empty."
    assert error.faults == ("The file is empty.",)


def test_several_faults_stand_in_a_list() -> None:
    error = ConfigError("The settings", ["one", "two"])
    assert str(error) == "The settings:\n  - one\n  - two"
    assert error.faults == ("one", "two")


def test_faults_are_usage_errors_that_one_clause_can_catch() -> None:
    for kind in (ConfigError, DataError, FaultsError):
        with pytest.raises(UsageError):
            raise kind("subject", ["fault"])
