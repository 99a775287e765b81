from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from cityhub.history.tiers.plan import Plan, Policy, Tier, plan_of, read_plan
from cityhub.model.errors import BadRequestData
from tests.unit.history.tiers.tiered import NOW, make_plan

TOML = """
currency = "CNY"
classes = { health = "personal" }

[[tier]]
name = "hot"
title = "闪存"
storage_per_gb_month = 1.0

[[tier]]
name = "cold"
title = "蓝光"
kind = "archive"
location = "/srv/cold"
retention_days = 3650
holds = ["internal", "public"]

[[policy]]
tier = "cold"
older_than_days = 365
"""


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tiers.toml"
    file.write_text(TOML, "utf-8")
    plan = read_plan(file)
    assert [tier.name for tier in plan.tier] == ["hot", "cold"]
    assert plan.tier[1].source == "示例"
    assert plan.tier_at("file:///srv/cold/observations/data/a.parquet").name == "cold"
    assert plan.tier_at("file:///srv/colder/a.parquet").name == "hot"


def test_what_may_not_lie_in_a_tier_stays(tmp_path: Path) -> None:
    plan = plan_of(msgspec.json.encode(msgspec.toml.decode(TOML)))
    old = NOW - timedelta(days=400)
    assert plan.wanted("observations", "", old, None, NOW).name == "cold"
    assert plan.wanted("observations", "health", old, None, NOW).name == "hot"
    assert plan.wanted("observations", "", NOW - timedelta(days=364), None, NOW).name == "hot"
    assert plan.wanted("observations", "", None, None, NOW).name == "hot"


def test_the_first_policy_that_fits_decides_and_reading_keeps_a_file() -> None:
    plan = Plan(
        tier=(Tier(name="hot"), Tier(name="warm", location="/w"), Tier(name="cold", location="/c")),
        policy=(
            Policy(tier="cold", older_than_days=100, unread_for_days=50),
            Policy(tier="warm", older_than_days=100),
        ),
    )
    old = NOW - timedelta(days=200)
    assert plan.wanted("observations", "", old, NOW - timedelta(days=60), NOW).name == "cold"
    assert plan.wanted("observations", "", old, NOW - timedelta(days=40), NOW).name == "warm"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tier": []}, "length >= 1"),
        ({"policy": [{"tier": "tape"}]}, "the tiers are hot, cold"),
        ({"tier": [{"name": "hot"}, {"name": "cold"}]}, "no 'location'"),
        ({"tier": [{"name": "hot"}, {"name": "hot", "location": "/a"}]}, "same name"),
        ({"tier": [{"name": "hot"}, {"name": "s", "kind": "s3", "location": "/a"}]}, "must begin with 's3://'"),
        ({"tier": [{"name": "hot"}, {"name": "s", "location": "s3://a"}]}, "must not begin with 's3://'"),
        ({"tier": [{"name": "hot"}, {"name": "w", "location": "warm"}]}, "absolute path"),
        ({"tier": [{"name": "hot"}, {"name": "w", "location": "/w", "retention_days": 3}]}, "no 'archive'"),
        ({"tier": [{"name": "hot", "kind": "archive", "location": "/w"}]}, "cannot be an 'archive'"),
        ({"tier": [{"name": "hot"}, {"name": "w", "location": "/w"}, {"name": "c", "location": "/w/c"}]}, "within"),
        ({"tier": [{"name": "hot", "price": 3}]}, "unknown field `price`"),
        ({"tier": [{"name": "hot", "storage_per_gb_month": -1}]}, ">= 0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    document = {"tier": [{"name": "hot"}, {"name": "cold", "location": "/c"}]} | change
    with pytest.raises(BadRequestData, match=words):
        plan_of(msgspec.json.encode(document))


def test_the_plan_of_the_tests_is_good(tmp_path: Path) -> None:
    assert plan_of(msgspec.json.encode(make_plan(tmp_path))) == make_plan(tmp_path)
