"""A model of one attribute of one entity, as it is kept, and what it says."""

from __future__ import annotations

import math
from typing import Final

import msgspec

from cityhub.model.ports import Document

SPREADS: Final = 1.6448536269514722
"""Standard deviations between the middle and the bounds at the level 0.9, as of a normal distribution."""
SECOND: Final = 1_000_000


class Model(msgspec.Struct, frozen=True, rename="camel"):
    """What is expected of an attribute from a moment on, between bounds that hold with the probability 0.9.

    Attributes:
        id: "<entity> <attribute>".
        entity: Id.
        attribute: IRI.
        version: Counted up with each training.
        model: Which kind of model was the best in the back-test.
        model_version: Of its code.
        trained_from, trained_to: The period that it was trained on, RFC 3339 UTC.
        observations: How many it was trained on.
        mae: Mean absolute error in the back-test, in the attribute's unit; None: too short a history for one.
        smape: Symmetric mean absolute percentage error in it, 0 to 200 %.
        coverage: Part of the values in it that lay between the bounds.
        naive_mae: Mean absolute error of the yardstick, "as a season ago".
        made_at: When it was trained.
        start: The first moment that it has something to say of, in microseconds since 1970.
        step: Between two values, in microseconds.
        values, low, high: What is expected, and the bounds.
        rules: Ids of the rules that asked for it.
    """

    id: str
    entity: str
    attribute: str
    version: int
    model: str
    model_version: str
    trained_from: str
    trained_to: str
    observations: int
    mae: float | None
    smape: float | None
    coverage: float | None
    naive_mae: float | None
    made_at: str
    start: int
    step: int
    values: list[float]
    low: list[float]
    high: list[float]
    rules: list[str] = []

    def expected(self, at: int) -> float | None:
        """What is expected at a moment (microseconds since 1970), on the straight line between two steps; None beyond its reach."""
        return self._at(self.values, at)

    def surprise(self, value: float, at: int) -> float | None:
        """How surprising a value is: the probability (0 to 1) that one lies nearer to what was expected; None beyond its reach."""
        middle, low, high = self._at(self.values, at), self._at(self.low, at), self._at(self.high, at)
        if middle is None or low is None or high is None:
            return None
        spread = (high - low) / 2 / SPREADS
        if spread <= 0.0:
            return 0.0 if value == middle else 1.0
        return math.erf(abs(value - middle) / spread / math.sqrt(2.0))

    def _at(self, values: list[float], at: int) -> float | None:
        place = (at - self.start) / self.step
        if not 0 <= place <= len(values) - 1:
            return None
        before = min(int(place), len(values) - 2) if len(values) > 1 else 0
        after = min(before + 1, len(values) - 1)
        return values[before] + (values[after] - values[before]) * (place - before)


def model_id(entity: str, attribute: str) -> str:
    """The id of a model's record."""
    return f"{entity} {attribute}"


class KeptModels:
    """The port `cityhub.rules.engine.models.Models`, on models that were kept."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], Model] = {}

    def take(self, tenant: str, id: str, document: Document | None) -> None:
        """Takes a model as it was kept; None: it is gone."""
        if document is None:
            self._models.pop((tenant, id), None)
        else:
            self._models[(tenant, id)] = msgspec.convert(document, Model)

    def all(self) -> list[tuple[str, Model]]:
        """Tenant and model, of all."""
        return [(tenant, model) for (tenant, _), model in sorted(self._models.items())]

    def get(self, tenant: str, entity: str, attribute: str) -> Model | None:
        """The model of an attribute; None: there is none."""
        return self._models.get((tenant, model_id(entity, attribute)))

    def surprise(self, tenant: str, entity: str, attribute: str, value: float, at: int) -> float | None:
        """See `cityhub.rules.engine.models.Models.surprise`."""
        model = self.get(tenant, entity, attribute)
        return model.surprise(value, at) if model is not None else None

    def expected(self, tenant: str, entity: str, attribute: str, at: int) -> float | None:
        """See `cityhub.rules.engine.models.Models.expected`."""
        model = self.get(tenant, entity, attribute)
        return model.expected(at) if model is not None else None
