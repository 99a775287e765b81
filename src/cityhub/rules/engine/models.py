"""The port from rules to models of history: what was to be expected, and how surprising an observation is."""

from __future__ import annotations

from typing import Any, Final, Protocol

MODELS: Final = "rule_model"
"""The collection of models: what they say follows from the journal like everything else."""


class Models(Protocol):
    """Models of single attributes of entities. All answers come from memory and at once; what is trained, and when, is not their matter."""

    def surprise(self, tenant: str, entity: str, attribute: str, value: float, at: int) -> float | None:
        """How surprising a value is, from 0 to 1; None while there is no model.

        Args:
            tenant: The tenant.
            entity: Id of the entity.
            attribute: IRI of the attribute.
            value: What was observed.
            at: When, in microseconds since 1970.
        """

    def expected(self, tenant: str, entity: str, attribute: str, at: int) -> float | None:
        """What is expected at a moment (microseconds since 1970); None while there is no model."""

    def take(self, tenant: str, id: str, document: dict[str, Any] | None) -> None:
        """Takes a model as the journal has it (collection `MODELS`); None: it is gone."""


class NoModels:
    """Where there are none."""

    def surprise(self, tenant: str, entity: str, attribute: str, value: float, at: int) -> float | None:
        """See `Models.surprise`."""
        return None

    def expected(self, tenant: str, entity: str, attribute: str, at: int) -> float | None:
        """See `Models.expected`."""
        return None

    def take(self, tenant: str, id: str, document: dict[str, Any] | None) -> None:
        """See `Models.take`."""
