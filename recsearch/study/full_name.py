"""Names of hyperparameters: `family/name` inside a search, the bare name for display."""

from typing import NamedTuple

SPACE = "space"
"""Name of the hyperparameter that chooses the family of a configuration; it has no family itself.
"""


class FullName(NamedTuple):
    """The name of a hyperparameter in a search over one family or several.

    Attributes:
        family: The family whose builder defines it; "" for `SPACE`.
        bare: The name that the builder uses. It may itself contain slashes (name scopes).
    """

    family: str
    bare: str

    @classmethod
    def parse(cls, text: str) -> "FullName":
        """Returns the parts of `family/name`; a text without a slash has no family.

        Example:
            >>> FullName.parse("neumf/embedding_dim")
            FullName(family='neumf', bare='embedding_dim')
            >>> FullName.parse("space").bare
            'space'
        """
        family, slash, bare = text.partition("/")
        return cls(family, bare) if slash else cls("", text)

    def __str__(self) -> str:
        """Returns `family/name`."""
        return f"{self.family}/{self.bare}" if self.family else self.bare
