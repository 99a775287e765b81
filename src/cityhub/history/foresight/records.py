"""Trained models on disk: which data, which version, which parameters, which scores."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from cityhub.history.foresight.anomalies import VERSION as DETECTOR_VERSION
from cityhub.history.foresight.anomalies import AnomalyDetector
from cityhub.history.foresight.forecasts import Forecast, Score
from cityhub.history.foresight.series import Floats
from cityhub.model.errors import BadRequestData, NotFound

_ID: Final = re.compile(r"[0-9a-f]{16}")


class ModelRecord(msgspec.Struct, frozen=True):
    """A trained model.

    Attributes:
        id: 16 hex digits, made from all that follows but the time: training again on the same data gives the same id.
        kind: "forecast" or "anomalies".
        model, version, parameters: What was trained.
        tenant, entity, attribute: On which series.
        position: The journal position as of which the series was read.
        since_s, until_s: First and last observation, seconds since 1970 UTC.
        observations: How many.
        checksum: SHA-256 of the times and values.
        scores: Its back-test; empty for a detector.
        trained_at: RFC 3339.
    """

    id: str
    kind: str
    model: str
    version: str
    parameters: dict[str, float | int]
    tenant: str
    entity: str
    attribute: str
    position: int
    since_s: float
    until_s: float
    observations: int
    checksum: str
    scores: list[Score]
    trained_at: str


class Subject(msgspec.Struct, frozen=True):
    """Of which series a model is, as of which journal position."""

    tenant: str
    entity: str
    attribute: str
    position: int


class ModelRecords:
    """The records in a folder, each with its data beside it, so that a forecast of years ago can be computed again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep_forecast(self, subject: Subject, times: ArrayLike, values: ArrayLike, made: Forecast, at: str) -> ModelRecord:
        """The record of a forecast's model, kept with its data."""
        return self._keep(subject, times, values, ("forecast", made.model, made.version), made.parameters, made.scores, at)

    def keep_detector(self, subject: Subject, times: ArrayLike, values: ArrayLike, detector: AnomalyDetector, at: str) -> ModelRecord:
        """The record of a detector that learned these data, kept with them and with its state."""
        tuning = msgspec.to_builtins(detector.tuning)
        record = self._keep(subject, times, values, ("anomalies", "daily-surprise", DETECTOR_VERSION), tuning, [], at)
        _write(self._folder / f"{record.id}.state", detector.state())
        return record

    def get(self, id: str) -> ModelRecord:
        """The record. Raises NotFound."""
        try:
            return msgspec.json.decode(self._file(id, "json").read_bytes(), type=ModelRecord)
        except FileNotFoundError:
            raise NotFound(f"There is no model '{id}'") from None

    def data(self, id: str) -> tuple[Floats, Floats]:
        """Times and values that the model was trained on.

        Raises:
            NotFound: There is no such model.
            BadRequestData: The data are not those of the record any more.
        """
        record = self.get(id)
        with np.load(self._file(id, "npz"), allow_pickle=False) as kept:
            times, values = kept["times"], kept["values"]
        if _checksum(times, values) != record.checksum:
            raise BadRequestData(f"the data of model '{id}' have changed since it was trained: their checksum is not the record's")
        return times, values

    def detector(self, id: str) -> AnomalyDetector:
        """The detector as it was kept. Raises NotFound."""
        try:
            return AnomalyDetector.resume(self._file(id, "state").read_bytes())
        except FileNotFoundError:
            raise NotFound(f"There is no detector '{id}'") from None

    def all(self) -> list[ModelRecord]:
        """Every record, the newest first."""
        found = [msgspec.json.decode(file.read_bytes(), type=ModelRecord) for file in self._folder.glob("*.json")]
        return sorted(found, key=lambda record: (record.trained_at, record.id), reverse=True)

    def _keep(
        self, subject: Subject, times: ArrayLike, values: ArrayLike, kind: tuple[str, str, str],
        parameters: dict[str, float | int], scores: list[Score], at: str,
    ) -> ModelRecord:  # fmt: skip
        seconds, numbers = np.asarray(times, np.float64), np.asarray(values, np.float64)
        if not len(seconds):
            raise BadRequestData("a model without data is not kept")
        checksum = _checksum(seconds, numbers)
        identity = msgspec.json.encode([kind, parameters, subject, checksum])
        record = ModelRecord(
            hashlib.sha256(identity).hexdigest()[:16], *kind, parameters, subject.tenant, subject.entity, subject.attribute,
            subject.position, float(seconds.min()), float(seconds.max()), len(seconds), checksum, scores, at,
        )  # fmt: skip
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"{record.id}.npz.new", "wb") as file:
            np.savez_compressed(file, times=seconds, values=numbers)
        os.replace(file.name, self._folder / f"{record.id}.npz")
        # Last: a record that is there has its data.
        _write(self._folder / f"{record.id}.json", msgspec.json.format(msgspec.json.encode(record)))
        return record

    def _file(self, id: str, suffix: str) -> Path:
        if not _ID.fullmatch(id):
            raise NotFound(f"There is no model '{id[:100]}'")
        return self._folder / f"{id}.{suffix}"


def _checksum(times: Floats, values: Floats) -> str:
    return hashlib.sha256(times.tobytes() + values.tobytes()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_bytes(content)
    os.replace(fresh, path)
