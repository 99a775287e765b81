"""The services that other tests stand on are really there."""

from __future__ import annotations

import pytest

from tests import services

psycopg = pytest.importorskip("psycopg")


@pytest.mark.postgres
@pytest.mark.parametrize("run", [1, 2])
def test_each_test_gets_an_empty_database_with_postgis(postgres_url: str, run: int) -> None:
    with psycopg.connect(postgres_url) as connection:
        distance = connection.execute("SELECT ST_Distance('POINT(0 0)'::geometry, 'POINT(3 4)'::geometry)").fetchone()
        connection.execute("CREATE TABLE left_behind (n integer)")
    assert distance == (5.0,)


def test_mosquitto_listens(mosquitto: int) -> None:
    assert services.listens(mosquitto)


def test_missing_service_fails_in_continuous_integration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="Thing is not installed"):
        services.unavailable("Thing is not installed")


def test_missing_service_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Thing is not installed"):
        services.unavailable("Thing is not installed")
