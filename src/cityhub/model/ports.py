"""The ports between rooms. A room imports these protocols, never another room; `cityhub.hub` hands out the parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec

from cityhub.model.change import Change
from cityhub.model.condition import Condition, ValueIn
from cityhub.model.entity import Attributes, Entity, Instance
from cityhub.model.errors import CityHubError
from cityhub.model.ngsild.temporal import Aggregation

Document = dict[str, Any]

ENTITIES = "entity"
"""The collection whose items are entities; every other collection holds records (plain documents)."""

HISTORY_EVENTS = "history"
"""The collection of what is only journalled and never kept: commands to the history, such as instances that a client gives it."""

SOURCE_NOTIFICATIONS = "source_notification"
"""The collection of what context sources notify this hub of for its subscriptions; like the commands to the history only journalled."""

JOURNALLED_ONLY: Final = frozenset((HISTORY_EVENTS, SOURCE_NOTIFICATIONS))
"""The collections that the store journals and does not keep."""


INTERNAL: Final = "/"
"""The first character of tenants that the hub keeps for itself (snapshots); no caller can name one, and none is listed."""


class Write(msgspec.Struct, frozen=True):
    """One item's transition, applied by the store inside its transaction.

    Attributes:
        id: The item's id.
        transition: Pure function of (current document or None, time of the write as RFC 3339 text) to
            (new document or None to delete it, result). Returning the very document it was given means "no change":
            nothing is written or journalled. It raises `CityHubError` to refuse; other writes of the same call go on.
            It may be called more than once and must not mutate what it is given.
        collection: `ENTITIES` or a record collection.
    """

    id: str
    transition: Callable[[Document | None, str], tuple[Document | None, Any]]
    collection: str = ENTITIES


class Page(msgspec.Struct, frozen=True):
    """Entities found, in the order of their creation, and the number of all that match when it was asked for."""

    entities: list[Entity]
    count: int | None = None


class Shape(msgspec.Struct, frozen=True):
    """How many entities of a type have an attribute of a kind (`attribute` and `kind` are "" for the type itself)."""

    type: str
    attribute: str
    kind: str
    count: int


class Store(Protocol):
    """Where the current state is kept, with its journal. Every backend passes `tests/contract/store`."""

    async def write(self, tenant: str, writes: Sequence[Write], trace: str = "") -> list[Any | CityHubError]:
        """Applies the writes in order, journals each change, and returns after all of it is durable.

        Returns one result per write: what its transition returned, or the `CityHubError` that it raised.
        Raises StoreUnavailable when nothing could be committed.
        """

    def get(self, tenant: str, id: str, collection: str = ENTITIES) -> Document | None:
        """The item as last committed, or None. Fast where it is in memory or in a file; else `fetch` is to be preferred."""

    async def fetch(self, tenant: str, id: str, collection: str = ENTITIES) -> Document | None:
        """Like `get`, but other requests go on while a store that is far away is asked."""

    async def find(
        self,
        tenant: str,
        condition: Condition,
        matches: Callable[[Entity], bool] | None,
        offset: int = 0,
        limit: int = 20,
        count: bool = False,
        order: Callable[[Entity], Any] | None = None,
    ) -> Page:
        """Entities that satisfy the condition and the exact predicate (None: the condition alone is exact).

        `order` is a sort key; without it the order is that of creation. `limit` 0 only counts.
        """

    def scan(self, tenant: str, condition: Condition) -> AsyncIterator[list[Entity]]:
        """All entities under a condition, in blocks of bounded size, in the order of creation."""

    async def records(self, tenant: str | None, collection: str) -> list[tuple[str, Document]]:
        """(tenant, document) of every record of a collection, of one tenant or of all (None), in order of creation."""

    async def shapes(self, tenant: str) -> list[Shape]:
        """Which types and attributes exist and how many entities have them."""

    def tenants(self) -> set[str]:
        """Every tenant that was ever written to, but those of the hub's own (`INTERNAL`); the default tenant "" is always there."""

    async def create_tenant(self, tenant: str) -> None:
        """Makes a tenant known; a write to an unknown tenant does the same."""

    async def drop_tenant(self, tenant: str) -> None:
        """Removes a tenant with all that it holds, entities and records, without journalling each."""


class Journal(Protocol):
    """The ordered list of committed changes, and how far each durable reader has come."""

    async def read(self, after: int, limit: int = 1000) -> list[Change]:
        """Up to `limit` changes with a position greater than `after`, in order; empty at the end."""

    async def wait(self, after: int) -> None:
        """Returns as soon as the journal has a change with a position greater than `after`."""

    def last(self) -> int:
        """Position of the newest change; 0 when there has been none."""

    async def position(self, reader: str) -> int:
        """How far the reader has come; a reader that is new begins at the newest change and is known from now on."""

    async def advance(self, reader: str, position: int) -> None:
        """Records durably that the reader has dealt with everything up to `position`."""

    async def oldest(self) -> int:
        """Position of the oldest change that is kept; one more than `last()` when none is."""

    async def compact(self, keep: int = 0) -> int:
        """Removes the changes that all known readers have passed; returns how many.

        The newest `keep` changes stay, for those who come back without being known (clients of the live stream), and the
        newest one always. It works in small portions, so that writes go on between them.
        """


TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]


class Evolution(msgspec.Struct, frozen=True):
    """An entity as its history knows it, without the instances of its attributes.

    Times are in the form of `cityhub.model.time.to_text`. `deleted_at` None: the entity has not been deleted.
    """

    id: str
    types: list[str]
    created_at: str
    modified_at: str
    deleted_at: str | None = None


class Window(msgspec.Struct, frozen=True):
    """Which instances of an entity's attributes are wanted.

    Attributes:
        property: The time that counts.
        start: First moment; None: no beginning.
        end: The moment at which the span has ended; None: no end.
        bounded: Whether an instance must have that time at all. False: instances without it count as well, by when
            they were modified, except marks of deletions.
        attributes: The attributes wanted; None: all.
        datasets: The datasets wanted, the default one as "@none"; None: all.
        latest: Whether `limit` keeps the latest instances, not the earliest.
        limit: Most instances of each attribute; None: all.
        near: Of an attribute that one of these names, only instances whose value may lie in the range of one of them.
    """

    property: TimeProperty = "observedAt"
    start: str | None = None
    end: str | None = None
    bounded: bool = False
    attributes: frozenset[str] | None = None
    datasets: frozenset[str] | None = None
    latest: bool = False
    limit: int | None = None
    near: tuple[ValueIn, ...] = ()


class Figures(msgspec.Struct, frozen=True, array_like=True):
    """Aggregated values of one entity.

    Attributes:
        origin: The earliest time of an instance in the window, where the first period begins when the window has no start; None: nothing
            was found.
        attributes: JSON by attribute, as it stands in an answer; None where some values are no numbers, so that it must be worked out
            elsewhere.
    """

    origin: str | None
    attributes: dict[str, bytes | None]


class History(Protocol):
    """What was true: the instances of every attribute over time.

    Every answer has seen what was acknowledged before the question. Instances come out in the internal form with "instanceId",
    "createdAt", "modifiedAt" and, of deletions, "deletedAt", in the order of the time asked about; those whose own expiresAt has
    passed do not. The scope is kept as an attribute with the name "scope". Everything raises StoreUnavailable while the history
    cannot be asked.
    """

    async def put(self, tenant: str, id: str, types: Sequence[str], attributes: Attributes, *, create: bool) -> bool:
        """Adds instances given by a client, in place of those with the same attribute, dataset and observedAt.

        Types are added to the entity's. Returns whether the entity is new to the history.
        Raises NotFound when it is and `create` is False.
        """

    async def modify(self, tenant: str, id: str, attribute: str, instance_id: str, change: Callable[[Instance], Instance]) -> None:
        """Replaces one instance by what `change` makes of it. Raises NotFound for a missing entity, attribute or instance."""

    async def delete_instance(self, tenant: str, id: str, attribute: str, instance_id: str) -> None:
        """Removes one instance. Raises NotFound for a missing entity, attribute or instance."""

    async def delete_attribute(self, tenant: str, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> None:
        """Removes the instances of one dataset (None: the default one) or of all. Raises NotFound when there are none."""

    async def delete_entity(self, tenant: str, id: str) -> None:
        """Removes all that is known of an entity. Raises NotFound when nothing is."""

    async def drop_tenant(self, tenant: str) -> None:
        """Removes all that is known of a tenant."""

    async def entities(self, tenant: str, ids: Sequence[str]) -> list[Evolution]:
        """Those of the entities that the history knows, in the order of the ids."""

    def scan(
        self, tenant: str, condition: Condition, window: Window | None = None, *, whole: bool = True
    ) -> AsyncGenerator[list[Evolution], None]:
        """All entities that may satisfy the condition, in blocks of bounded size, in the order in which they came into the history.

        Ids and types are looked at exactly; values only to leave out what certainly does not satisfy it.

        Args:
            tenant: The tenant.
            condition: A condition.
            window: Only entities with an instance in it, other than of the scope (its limit does not count); None: all.
            whole: Whether `modified_at` takes all instances into account, which costs more, and not only those in the window.
        """

    async def read(self, tenant: str, ids: Sequence[str], window: Window, *, page: int | None = None) -> list[Attributes]:
        """The wanted instances of each entity, by attribute; an attribute without any is left out.

        With `page` so many of all entities together and a few more, the earliest or, with `window.latest`, the latest: all that
        `cityhub.model.ngsild.temporal_page.cut` needs for a page of this size. An attribute that has none of them is there, empty.
        Raises TooManyResults when they are too many.
        """

    async def aggregate(self, tenant: str, ids: Sequence[str], window: Window, aggregation: Aggregation) -> list[Figures]:
        """Figures of each entity over periods, of numbers just as `cityhub.model.ngsild.temporal_aggregate` has them; no scope."""


ResultFormat = Literal["json", "csv", "arrow", "parquet", "xlsx", "gpkg"]


class Rows(msgspec.Struct, frozen=True):
    """The answer to a statement: names and SQL types of its columns, and its rows in their order.

    Times are RFC 3339 text in UTC. `truncated`: there were more rows than the limit.
    """

    columns: list[str]
    types: list[str]
    rows: list[list[Any]]
    truncated: bool = False


class Analysis(Protocol):
    """SQL over everything that is and was, read only, as fresh as the last acknowledged write."""

    async def rows(
        self,
        tenant: str,
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        limit: int = 10_000,
        timeout_s: float = 30.0,
        principal: Principal | None = None,
    ) -> Rows:
        """The answer to one SELECT; `?` in it stand for the parameters. Without a principal the hub itself asks.

        Raises BadRequestData for a statement that is wrong or not allowed, with what would be right; TooComplex (or the error of
        its kind in `cityhub.model.errors`) when a limit of time, memory or size stopped it; StoreUnavailable when it cannot be asked.
        """

    def stream(
        self, tenant: str, statement: str, parameters: Sequence[Any] = (), *, format: ResultFormat = "arrow", timeout_s: float = 600.0
    ) -> AsyncIterator[bytes]:
        """The whole answer as a file of the format, piece by piece. Raises like `rows`, before the first piece where it can."""


DataType = Literal["text", "number", "integer", "boolean", "date", "datetime", "geometry", "object"]
OfferKind = Literal["entity type", "feed", "lake table", "application table", "view", "indicator", "file"]


class OfferedField(msgspec.Struct, frozen=True):
    """One field of a dataset that a part of the hub offers to the catalogue.

    Attributes:
        name: As it is called in rows.
        type: Of its values.
        title: By language; empty: the name says it.
        unit: UN/CEFACT code; "" for none or unknown.
        iri: What it means; "" when it has no IRI.
    """

    name: str
    type: DataType = "text"
    title: dict[str, str] = {}
    unit: str = ""
    iri: str = ""


class OfferedDataset(msgspec.Struct, frozen=True):
    """A dataset as the part of the hub that has it knows it; the catalogue adds what people say of it.

    Attributes:
        kind: What it is.
        key: Its name among those of its kind, never changed ("https://.../WeatherObserved", "observations").
        title: By language; empty: the catalogue makes one of the key.
        description: By language.
        fields: Of one row.
        statement: A SELECT that gives its rows by the port `Analysis`; "" when there is none.
        upstream: (kind, key) of the datasets that it is made of.
        facts: Further automatic members of the catalogue's record, such as "licence", "provider", "period_s", "simulated".
    """

    kind: OfferKind
    key: str
    title: dict[str, str] = {}
    description: dict[str, str] = {}
    fields: list[OfferedField] = []
    statement: str = ""
    upstream: list[tuple[OfferKind, str]] = []
    facts: dict[str, Any] = {}


class DatasetSource(Protocol):
    """A part of the hub that has data which belong into the catalogue."""

    async def datasets(self, tenant: str) -> list[OfferedDataset]:
        """Its datasets now, in a stable order. Quick, as it is asked again and again."""


class EntityUpdate(msgspec.Struct, frozen=True, array_like=True):
    """What a feed says of one entity at once.

    Attributes:
        id: URI of the entity.
        types: IRIs; they are added to those that the entity has.
        attributes: Whole attributes in the internal form of `cityhub.model.entity`, without times of creation and change.
    """

    id: str
    types: list[str]
    attributes: Attributes


class DeadLetter(msgspec.Struct, frozen=True, array_like=True):
    """Something that came and could not be taken.

    Attributes:
        feed: Id of the feed.
        reason: What was wrong and what would be right.
        stage: Where it failed: "decode", "map", "take".
        body: As it came, up to a bound; the whole of it, or the one record as JSON when the others were taken.
        format: Of the body.
        about: What is known beside it; see `cityhub.ingest.message`.
        received_at: When it came, RFC 3339 UTC.
        version: Of the feed's definition.
    """

    feed: str
    reason: str
    stage: Literal["decode", "map", "take"]
    body: bytes
    format: str
    about: dict[str, Any]
    received_at: str
    version: int = 1


Taken = Literal["written", "late", "same"]
"""What became of an update: it is the current state; it is older than that and in the history only; it was there already."""

DEAD_LETTERS: Final = "dead_letter"
"""The collection of what came and could not be taken."""

BOOKMARKS: Final = "feed_bookmark"
"""The collection of how far each feed was read; the id is that of the feed."""


class Intake(Protocol):
    """The door of feeds into the context."""

    async def take(
        self,
        tenant: str,
        updates: Sequence[EntityUpdate],
        letters: Sequence[DeadLetter] = (),
        bookmarks: Sequence[tuple[str, Document]] = (),
        *,
        redelivered: bool = False,
        trace: str = "",
    ) -> list[Taken | CityHubError]:
        """Takes all of it in one transaction and returns when it is durable: one result for each update.

        An attribute with an observedAt older than the current one goes to the history only, as does one that lies minutes in the future
        where the current one does not; with the same observedAt and value it was there already. With `redelivered` an attribute without
        observedAt whose value is the current one was there already too.
        Raises StoreUnavailable when nothing could be committed.
        """


class Staging(Protocol):
    """The door of whole files of observations into the history."""

    async def stage(self, tenant: str, id: str, file: Path, rows: int, source: str) -> None:
        """Takes a Parquet file with columns of `observations` into the history, and the file from where it lies; each id once.

        Args:
            tenant: The tenant.
            id: 32 hex digits; a file whose id is known is only removed.
            file: On the disk of the data folder.
            rows: Observations in it.
            source: Name of the file that it was made of.

        Raises StoreUnavailable when that could not be journalled.
        """

    def is_waiting(self, id: str) -> bool:
        """Whether the history has not taken the file yet."""


class Past(Protocol):
    """What the context asks the history about entities that have no current state."""

    async def delete_attribute(self, tenant: str, id: str, attribute: str, dataset_id: str | None, delete_all: bool) -> bool:
        """Marks an attribute as deleted now in the history of an entity that was never in the context.

        Returns False, and does nothing, when there is no such attribute in it.
        """


class Answer(msgspec.Struct, frozen=True):
    """What a remote party answered. `status` 0 means that it could not be reached; `reason` then says why.

    `left`: of status 0, whether the request may have reached it all the same.
    """

    status: int
    headers: dict[str, str] = {}
    body: bytes = b""
    reason: str = ""
    left: bool = False


class Outbound(Protocol):
    """The one door for requests to other hosts; refuses addresses that policy does not allow (SSRF guard)."""

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes = b"", timeout_s: float = 5.0
    ) -> Answer:
        """Sends one request. Never raises for network faults; an address that policy forbids gives status 0 and a reason."""


class Receiver(msgspec.Struct, frozen=True):
    """Who is told, and how.

    Attributes:
        uri: http, https, mqtt or mqtts URI.
        headers: What goes with every message: HTTP headers, or the "metadata" of an MQTT message.
        options: How to set up the channel ("MQTT-QoS", "MQTT-Version").
        timeout_s: How long an answer may take.
        cooldown_s: After a failure nothing is sent for so long, and what comes meanwhile is dropped. None: a message that
            failed for a passing reason is sent again, later and later, and what comes meanwhile waits behind it.
    """

    uri: str
    headers: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    timeout_s: float = 5.0
    cooldown_s: float | None = None


class Telling(Protocol):
    """What the sender of messages hears of them. Called in the event loop; must be quick and must not raise."""

    def attempted(self, token: Any, first: bool) -> None:
        """A message is being sent, for the first time or again."""

    def answered(self, token: Any, reason: str, first: bool) -> None:
        """An attempt ended: `reason` "" is success, anything else says why not; `first` as in `attempted`."""

    def finished(self, token: Any) -> None:
        """Nothing more will be done about a message: it was sent, dropped, or failed for good."""

    def ready(self) -> None:
        """There is room again after `Lane.put` had refused a message."""


class Lane(Protocol):
    """The messages to one receiver, delivered one after the other in their order."""

    def put(self, body: bytes, token: Any) -> bool:
        """Takes a message, or returns False when too many are waiting; `Telling.ready` follows then."""

    def waiting(self) -> int:
        """How many messages are not finished yet."""

    def close(self) -> None:
        """Forgets what waits; nothing is told any more."""


class Delivery(Protocol):
    """Sends messages to other systems. Receivers that are slow or dead delay nobody else."""

    def open(self, receiver: Receiver, telling: Telling) -> Lane:
        """A lane to a receiver. Raises BadRequestData when no sender knows the scheme of its URI."""


class Principal(msgspec.Struct, frozen=True):
    """Who is calling. `id` "" is nobody."""

    id: str = ""
    roles: tuple[str, ...] = ()


Decision = Literal["allow", "deny"]


class Access(Protocol):
    """Decides who may do what. Every route names its permission, and this port alone decides."""

    def identify(self, headers: dict[str, str], peer: str) -> Principal:
        """Who is calling, from the request's headers and the peer's address."""

    def decide(self, principal: Principal, permission: str, tenant: str) -> Decision:
        """Whether the principal holds the permission ('entity.read', 'entity.write', ...) in the tenant."""


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody who works with the hub.

    Attributes:
        id: URI.
        name: As it is shown.
        department: Id of the organization.
        roles: "duty", "dispatcher", "handler", "checker", "leader", ...: what lanes of processes and hearers of alerts name.
        contacts: By channel ("email", "sms", "webhook", "mqtt"), where messages reach them. Personal: for the notifier only.
        language: Of their messages: "zh" or "en".
        simulated: Whether it is made up for trying the hub out.
        active: Whether they still work here.
    """

    id: str
    name: str
    department: str
    roles: list[str] = []
    contacts: dict[str, str] = {}
    language: str = "zh"
    simulated: bool = False
    active: bool = True


class People(Protocol):
    """Who works with the hub. All answers come from memory."""

    def person(self, id: str) -> Person | None:
        """A person, also one who has left; None: unknown."""

    def find(self, department: str = "", role: str = "") -> list[Person]:
        """The active people of a department (""; all) who have a role ("": any), by name."""


class Duty(Protocol):
    """Who is on duty. Answers come from memory."""

    def on_duty(self, post: str, at: str) -> list[str]:
        """Ids of the people on duty at a post at a moment (RFC 3339 UTC), the first in charge first; empty: nobody, or no such post."""


class Notice(msgspec.Struct, frozen=True):
    """Something that people are to be told.

    Attributes:
        key: What it is about, such as "urn:...:Alert:...#raised": the same key is told once, however often it is asked for.
        why: Id of the rule, case or person that asks for it.
        people: Ids of the people who hear of it.
        posts: Posts whose people on duty hear of it.
        departments: (organization, role) of those who hear of it.
        template: Id of the template.
        values: What it fills in; plain JSON. Personal data only where the hearers may see it.
        urgent: Whether it goes out in quiet hours too.
        link: Path in the operations centre that it leads to.
    """

    key: str
    why: str
    template: str
    values: dict[str, Any]
    people: list[str] = []
    posts: list[str] = []
    departments: list[tuple[str, str]] = []
    urgent: bool = False
    link: str = ""


class Notices(Protocol):
    """Tells people. What is asked for in a transaction is told after it, once."""

    def write(self, notice: Notice) -> Write:
        """What must be part of the caller's transaction so that the notice is given; it changes nothing when the key is known."""

    def acknowledged(self, key: str) -> bool:
        """Whether one of those who were told has said that they have seen it."""


class CaseOpening(msgspec.Struct, frozen=True):
    """The case that an alert opens, as its rule says.

    Attributes:
        process: Id of the process.
        kind: Of the case, in the district's list of kinds.
        departments: Ids of the organizations that it goes to; empty: as the process decides.
        rule: Id of the rule.
        joins_s: A case that another alert opened within so many seconds and that is still open takes this alert as well; 0: none does.
        joins_kinds: Kinds of cases that take it, beside its own.
    """

    process: str
    kind: str
    departments: list[str]
    rule: str
    joins_s: float = 0.0
    joins_kinds: tuple[str, ...] = ()


class Openings(Protocol):
    """Opens cases for alerts."""

    async def open(self, tenant: str, alert: Entity, opening: CaseOpening) -> None:
        """Opens the case of an alert (`cityhub.model.alert`); one that is there already changes nothing, or follows the alert's grade.

        Called once for each grade that the alert comes to, and again after a crash. Raises StoreUnavailable to be asked again later;
        any other CityHubError is shown at the alert.
        """

    async def case_of(self, tenant: str, alert: str) -> str:
        """Id of the case that was opened for an alert, or that it joined; "" when there is none."""


class Drafts(Protocol):
    """Drafts warnings to the public for alerts; nothing goes out before it is released by a person who may."""

    async def draft(self, tenant: str, alert: Entity, warning: Document) -> None:
        """Drafts what `warning` of the alert's rule says (`cityhub.rules.rule.Rule.warning`), or the update or the end of what it drafted.

        Called once for each grade that the alert comes to and when its condition has ended ("validTo"), and again after a crash: a
        draft that is there already is kept. Raises StoreUnavailable to be asked again later; any other CityHubError is shown at the alert.
        """

    def warning_of(self, tenant: str, alert: str) -> str:
        """Id of the warning that was drafted for an alert; "" when none was. Quick: from memory or one look by id."""


class WaitingAlert(msgspec.Struct, frozen=True):
    """An alert that nobody has acknowledged.

    Attributes:
        tenant, id: Of the alert.
        rule: Id of its rule.
        version: Of the rule.
        grade: "red", "orange", "yellow", "blue".
        since: Since when somebody is waited for, by the hub's clock, RFC 3339 UTC; a new, graver step begins it anew.
        title: Of the rule, by language.
        description: The alert's reason, by language.
        subject: What it is about.
    """

    tenant: str
    id: str
    rule: str
    version: int
    grade: str
    since: str
    title: dict[str, str]
    description: dict[str, str]
    subject: str


class OpenAlerts(Protocol):
    """The alerts that are open. Answers come from memory."""

    def unacknowledged(self, before: str, grade: str = "") -> list[WaitingAlert]:
        """Those of a grade ("": all) that nobody has acknowledged and that have waited since before a moment, the longest first."""
