"""The port from rules to models of history: what was to be expected, and how surprising an observation is."""

from __future__ import annotations

from typing import Any, Final, Protocol

MODELS: Final = "rule_model"
"""The collection of models; the id is "<entity> <attribute>"."""


class Models(Protocol):
    """Models of single attributes of entities. All answers come from memory and at once; what is trained, and when, is its own matter."""

    def take(self, tenant: str, id: str, document: dict[str, Any] | None) -> None:
        """Takes a model as the journal has it (collection `MODELS`); None: it is gone."""

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


class NoModels:
    """Where there are none."""

    def take(self, tenant: str, id: str, document: dict[str, Any] | None) -> None:
        """See `Models.take`."""

    def surprise(self, tenant: str, entity: str, attribute: str, value: float, at: int) -> float | None:
        """See `Models.surprise`."""
        return None

    def expected(self, tenant: str, entity: str, attribute: str, at: int) -> float | None:
        """See `Models.expected`."""
        return None
