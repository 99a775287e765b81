"""Records of trained models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cityhub.history.foresight.anomalies import AnomalyDetector, anomaly_scores
from cityhub.history.foresight.forecasts import forecast
from cityhub.history.foresight.records import ModelRecords, Subject
from cityhub.model.errors import BadRequestData, NotFound

TIMES = np.arange(500) * 3600.0
VALUES = 10 + np.sin(TIMES / 86400 * 2 * np.pi)
SUBJECT = Subject("", "urn:a", "https://example.org/level", 42)
AT = "2026-11-23T00:00:00.000000Z"


def test_a_forecast_can_be_computed_again_from_its_record(tmp_path: Path) -> None:
    records = ModelRecords(tmp_path / "models")
    made = forecast(TIMES, VALUES, 24)
    record = records.keep_forecast(SUBJECT, TIMES, VALUES, made, AT)
    assert (record.model, record.version, record.position, record.observations) == (made.model, made.version, 42, 500)
    assert records.get(record.id) == record
    again = forecast(*records.data(record.id), 24, model=record.model)
    assert (again.values == made.values).all()
    assert [found.id for found in records.all()] == [record.id]


def test_the_same_training_has_the_same_id_and_other_data_another(tmp_path: Path) -> None:
    records = ModelRecords(tmp_path)
    first = records.keep_forecast(SUBJECT, TIMES, VALUES, forecast(TIMES, VALUES, 24), AT)
    assert records.keep_forecast(SUBJECT, TIMES, VALUES, forecast(TIMES, VALUES, 24), AT).id == first.id
    assert records.keep_forecast(SUBJECT, TIMES, VALUES + 1, forecast(TIMES, VALUES + 1, 24), AT).id != first.id


def test_a_detector_goes_on_from_its_record(tmp_path: Path) -> None:
    records, detector = ModelRecords(tmp_path), AnomalyDetector()
    for at, value in zip(TIMES[:400], VALUES[:400], strict=True):
        detector.score(at, value)
    record = records.keep_detector(SUBJECT, TIMES[:400], VALUES[:400], detector, AT)
    resumed = records.detector(record.id)
    assert [resumed.score(at, value) for at, value in zip(TIMES[400:], VALUES[400:], strict=True)] == anomaly_scores(TIMES, VALUES)[
        400:
    ].tolist()


def test_changed_data_are_noticed(tmp_path: Path) -> None:
    records = ModelRecords(tmp_path)
    record = records.keep_forecast(SUBJECT, TIMES, VALUES, forecast(TIMES, VALUES, 24), AT)
    np.savez_compressed(tmp_path / f"{record.id}.npz", times=TIMES, values=VALUES + 1e-9)
    with pytest.raises(BadRequestData, match="checksum"):
        records.data(record.id)


@pytest.mark.parametrize("id", ["0123456789abcdef", "../../etc/passwd", ""])
def test_unknown_models_are_not_found(tmp_path: Path, id: str) -> None:
    for ask in (ModelRecords(tmp_path).get, ModelRecords(tmp_path).detector):
        with pytest.raises(NotFound):
            ask(id)
