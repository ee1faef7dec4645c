import pytest

from recsearch.study.full_name import SPACE, FullName


@pytest.mark.parametrize(
    ("text", "family", "bare"),
    [
        ("neumf/embedding_dim", "neumf", "embedding_dim"),
        ("neumf/tower/units", "neumf", "tower/units"),  # a name scope inside the builder
        (SPACE, "", SPACE),
    ],
)
def test_full_name_has_a_family_and_a_bare_name(text, family, bare):
    assert FullName.parse(text) == FullName(family, bare)
    assert str(FullName.parse(text)) == text
