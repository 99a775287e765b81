"""The plan of tiers: where data files may lie, what that costs, and which files belong where. It is a TOML file that people write."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cityhub.model.errors import BadRequestData

Money = Annotated[float, Meta(ge=0, le=1_000_000)]
Days = Annotated[float, Meta(ge=0, le=36_525)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$")]

MAX_TIERS: Final = 16
MAX_POLICIES: Final = 200
UNCLASSIFIED: Final = "internal"
DAY_S: Final = 86_400


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of storage. All money is an assumption of whoever wrote the plan, and says so in `source`.

    Attributes:
        name: By which policies name it.
        title: What people call it ("闪存").
        kind: `folder`; `s3`, an object store; `archive`, a folder whose files are written once: read-only, never written again, and not
            removed before their retention ends.
        location: Absolute path of a folder, or `s3://bucket/prefix`. Empty for the first tier: where the tables are written.
        storage_per_gb_month: Money for keeping 10^9 bytes for a month of 30 days.
        reads_per_1000: Money for 1,000 requests that read.
        writes_per_1000: Money for 1,000 requests that write.
        retrieval_per_gb: Money for bringing 10^9 bytes back.
        retention_days: How long a file of an archive stays at least, from when it was written there.
        erasure: What the legal deletion of a person does in an archive. The file is in any case written again without the person, in the
            first tier, and no answer shows the person from then on. `at-once`: the old file is removed although its retention has not
            ended. `after-retention`: the old file stays, unused, until then, because the medium cannot forget; it is in the report.
        holds: Classifications that may lie here; empty: all.
        source: Where the prices come from; "示例" says that they are examples.
    """

    name: Name
    title: str = ""
    kind: Literal["folder", "s3", "archive"] = "folder"
    location: str = ""
    storage_per_gb_month: Money = 0.0
    reads_per_1000: Money = 0.0
    writes_per_1000: Money = 0.0
    retrieval_per_gb: Money = 0.0
    retention_days: Days = 0.0
    erasure: Literal["at-once", "after-retention"] = "at-once"
    holds: tuple[str, ...] = ()
    source: str = "示例"


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files for which everything that is given here holds belong into `tier`.

    Attributes:
        tier: A tier's name.
        tables: Names of tables; empty: all.
        tenants: Tenants ("" is the default one); empty: all.
        classifications: As the plan's `classes` gives them; empty: all.
        older_than_days: The file's newest row is older than this.
        unread_for_days: No question has touched the file for so long.
    """

    tier: Name
    tables: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    classifications: tuple[str, ...] = ()
    older_than_days: Days | None = None
    unread_for_days: Days | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tiers from hot to cold, and the policies; the first policy that fits a file decides.

    Attributes:
        tier: The tiers; the first is where the tables are written.
        policy: The policies; a file that none fits belongs into the first tier.
        classes: Classification by tenant, or by "table/tenant".
        currency: Of all money.
    """

    tier: Annotated[tuple[Tier, ...], Meta(min_length=1, max_length=MAX_TIERS)]
    policy: Annotated[tuple[Policy, ...], Meta(max_length=MAX_POLICIES)] = ()
    classes: dict[str, str] = {}
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "CNY"

    def place_of(self, name: str) -> int:
        """How cold a tier is: its place among the tiers, 0 the hottest."""
        return next(number for number, tier in enumerate(self.tier) if tier.name == name)

    def tier_at(self, path: str) -> Tier:
        """The tier in which a file lies by its path."""
        return next((tier for tier in self.tier[1:] if path.startswith(uri_of(tier) + "/")), self.tier[0])

    def classification(self, table: str, tenant: str) -> str:
        """How a tenant's rows of a table are classified."""
        return self.classes.get(f"{table}/{tenant}", self.classes.get(tenant, UNCLASSIFIED))

    def wanted(self, table: str, tenant: str, newest: datetime | None, read: datetime | None, now: datetime) -> Tier:
        """The tier into which a file belongs.

        Args:
            table: Its table.
            tenant: Whose rows.
            newest: Time of its newest row; None: unknown, then it is not old.
            read: When it was last read; None: never as far as known, then `newest` counts.
            now: The time.
        """
        level = self.classification(table, tenant)
        for policy in self.policy:
            tier = self.tier[self.place_of(policy.tier)]
            if (
                (not policy.tables or table in policy.tables)
                and (not policy.tenants or tenant in policy.tenants)
                and (not policy.classifications or level in policy.classifications)
                and (not tier.holds or level in tier.holds)
                and _is_past(policy.older_than_days, newest, now)
                and _is_past(policy.unread_for_days, read or newest, now)
            ):
                return tier
        return self.tier[0]


def _is_past(days: float | None, moment: datetime | None, now: datetime) -> bool:
    return days is None or (moment is not None and (now - moment).total_seconds() >= days * DAY_S)


def uri_of(tier: Tier) -> str:
    """The tier's location as tables name it: `file:///...` or `s3://...`, without a slash at the end."""
    location = tier.location.rstrip("/")
    return location if "://" in location else f"file://{location}"


def locations(plan: Plan | None) -> list[str]:
    """Where the tiers are beside the tables' own place; empty without a plan."""
    return [tier.location for tier in plan.tier if tier.location] if plan else []


def read_plan(file: Path) -> Plan:
    """The plan in a TOML file; raises BadRequestData that says what is wrong with it."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequestData(f"The plan of tiers {file} cannot be read: {error}") from error
    try:
        return checked(msgspec.toml.decode(text, type=Plan))
    except msgspec.DecodeError as error:
        raise BadRequestData(f"The plan of tiers {file}: {error}") from error


def plan_of(document: bytes) -> Plan:
    """The plan in a JSON document; raises BadRequestData that says what is wrong with it."""
    try:
        return checked(msgspec.json.decode(document, type=Plan))
    except msgspec.DecodeError as error:
        raise BadRequestData(f"The plan of tiers: {error}") from error


def checked(plan: Plan) -> Plan:
    """The plan, if its parts go together; raises BadRequestData else."""
    names = [tier.name for tier in plan.tier]
    if len(set(names)) < len(names):
        raise BadRequestData(f"Two tiers have the same name; the names are {', '.join(names)}")
    for tier in plan.tier[1:]:
        if not tier.location:
            raise BadRequestData(f"The tier '{tier.name}' has no 'location'; only the first may do without")
    for tier in plan.tier:
        if tier.location and (tier.kind == "s3") != tier.location.startswith("s3://"):
            raise BadRequestData(f"'location' of the tier '{tier.name}' must {'' if tier.kind == 's3' else 'not '}begin with 's3://'")
        if tier.kind != "s3" and tier.location and not tier.location.startswith("/"):
            raise BadRequestData(f"'location' of the tier '{tier.name}' must be an absolute path")
        if tier.kind != "archive" and (tier.retention_days or tier.erasure != "at-once"):
            raise BadRequestData(f"The tier '{tier.name}' is no 'archive', so it can have neither 'retention_days' nor 'erasure'")
    if plan.tier[0].kind == "archive":
        raise BadRequestData(f"The first tier '{names[0]}' is written all the time; it cannot be an 'archive'")
    for policy in plan.policy:
        if policy.tier not in names:
            raise BadRequestData(f"A policy names the tier '{policy.tier}'; the tiers are {', '.join(names)}")
    locations = [uri_of(tier) + "/" for tier in plan.tier if tier.location]
    if any(a is not b and b.startswith(a) for a in locations for b in locations):
        raise BadRequestData("The location of one tier lies within that of another")
    return plan
