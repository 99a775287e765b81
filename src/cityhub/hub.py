"""Builds one hub from its settings: the only place where the parts meet."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cityhub
from cityhub import __version__, response
from cityhub.access.loopback import LoopbackAccess
from cityhub.access.people import Register as People
from cityhub.access.people_api import PeopleApi
from cityhub.catalogue.assembly import Around, Catalogue
from cityhub.catalogue.district_words import Place
from cityhub.context.batch_api import BatchApi
from cityhub.context.context_api import context_routes
from cityhub.context.contexts import Contexts
from cityhub.context.discovery_api import DiscoveryApi
from cityhub.context.distribution import DistributedOperations
from cityhub.context.distribution_temporal_write import DistributedTemporal
from cityhub.context.entity_api import EntityApi
from cityhub.context.entity_map_api import EntityMapApi
from cityhub.context.entity_maps import EntityMaps
from cityhub.context.forwarder import Forwarder
from cityhub.context.identity_api import IdentityApi, read_alias
from cityhub.context.intake import StoreIntake
from cityhub.context.live import live_selection
from cityhub.context.notifier import Notifier
from cityhub.context.purge_api import PurgeApi
from cityhub.context.query_api import QueryApi
from cityhub.context.registration_api import RegistrationApi
from cityhub.context.registration_notifier import RegistrationNotifier
from cityhub.context.registrations import Registrations
from cityhub.context.snapshot_api import SnapshotApi, snapshot_scope
from cityhub.context.snapshots import Snapshots
from cityhub.context.source_notification_api import SourceNotificationApi
from cityhub.context.source_requests import SourceRequests
from cityhub.context.source_state import SourceStates
from cityhub.context.subscription_api import SubscriptionApi
from cityhub.context.subscription_state import Tallies
from cityhub.history.copies import Copies
from cityhub.history.evolutions import Consumption
from cityhub.history.exchange.backfill_api import BackfillApi
from cityhub.history.forgetting import ForgetApi
from cityhub.history.gauges import watch_history
from cityhub.history.lake_history import LakeHistory
from cityhub.history.past import Past
from cityhub.history.sql.analysis import LakeAnalysis
from cityhub.history.sql.sql_api import SqlApi
from cityhub.history.supervision import SOCKET, START_S, Orders, Supervision
from cityhub.history.temporal_api import TemporalApi
from cityhub.history.temporal_query_api import TemporalQueryApi
from cityhub.history.temporal_view import TemporalShaping
from cityhub.history.tiers.tier_api import TierApi
from cityhub.ingest.district import District, read_district
from cityhub.ingest.feed import Feed
from cityhub.ingest.feeds import SIMULATION_SECRET, Feeds, start_feeds
from cityhub.ingest.files import assembly as imports
from cityhub.ingest.gateway.gauges import watch_gateway
from cityhub.ingest.gateway.hub_side import GatewayLink
from cityhub.ingest.register import assembly as registers
from cityhub.ingest.sensorthings.answers_to_gateway import GatewayAnswers
from cityhub.ingest.sensorthings.api import SensorThingsApi
from cityhub.ingest.sensorthings.topics import MqttDoor
from cityhub.model.errors import StoreUnavailable
from cityhub.model.jsonld import CORE, TermMap
from cityhub.model.ports import Store
from cityhub.model.time import Clock, SystemClock
from cityhub.notify.delivery import MessageDelivery
from cityhub.settings import Settings
from cityhub.storage.sqlite import SqliteStore, open_sqlite
from cityhub.web.addresses import AddressPolicy
from cityhub.web.application import Application
from cityhub.web.centre import centre_routes, read_centre
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.inspection import Flow
from cityhub.web.observation import Observation
from cityhub.web.openapi import openapi_route
from cityhub.web.outbound import HttpOutbound
from cityhub.web.pages import page_routes, read_assets
from cityhub.web.status import About, ChangeRate, StatusSources, status_routes
from cityhub.web.stream import LiveStream, stream_routes
from cityhub.web.wire import socket_path
from cityhub.web.wire_client import WireClient

if TYPE_CHECKING:
    from cityhub.storage.postgres import PostgresStore

log = logging.getLogger(__name__)

SWEEP_S = 1.0
"""How often expired entities are deleted."""
DEV_TEMPORAL_PAGE = 30
"""`temporal_page` of a hub for tools and tests, small so that they meet answers in pages."""
MAX_FLOWS = 200
"""At most so many subscriptions are listed by `cityhub flow`."""
USAGE_S = 60.0
"""How often the counters of uses of @contexts are stored."""
PROFILE_S = 120.0
"""How often datasets of the catalogue without a young quality profile are looked for."""
COMPACT_S = 60.0
"""How often journal entries that all readers have passed are removed."""


class Hub:
    """One running hub.

    Attributes:
        settings: What it was built from.
        url: Where it is reached from this machine.
        store: Store and journal.
        alias: The name by which loops between brokers are found.
        application: The ASGI application.
    """

    def __init__(
        self, settings: Settings, url: str, store: SqliteStore | PostgresStore, alias: str, clock: Clock, district: District | None
    ) -> None:
        self.settings = settings
        self.url = url
        self.store = store
        self.journal = store
        self.alias = alias
        self.clock = clock
        self.district = district
        self._started = clock.now()
        self._began = time.monotonic()
        self.outbound = HttpOutbound(AddressPolicy(settings.outbound_allow, loopback_allowed=settings.dev))
        own = {district.about.context_url: district.folder / district.about.context} if district else {}
        self.contexts = Contexts(store, self.outbound, clock, settings.context_preload, own, lambda: url)
        self.registrations = Registrations(store, clock)
        states = SourceStates(clock, time.monotonic)
        self._registration_api = RegistrationApi(self.registrations, states, self.contexts, store, clock, url)
        requests = self.requests = SourceRequests(self.outbound, self.contexts, states, alias, time.monotonic)
        self.operations = DistributedOperations(store, self.registrations, requests)
        self.maps = EntityMaps(store, clock)
        mqtt_policy = AddressPolicy(settings.mqtt_allow, loopback_allowed=settings.dev)
        self.delivery = MessageDelivery(AddressPolicy(settings.outbound_allow, loopback_allowed=settings.dev), mqtt_policy)
        self.tallies = Tallies(store, clock)
        self.notifier = Notifier(store, store, self.delivery, self.contexts, clock, self.tallies)
        RegistrationNotifier(store, self.delivery, self.contexts, clock, self.tallies, self.notifier)
        self.forwarder = Forwarder(store, self.registrations, requests, self.contexts, self.notifier, settings.public_url or url)
        socket = socket_path(Path(settings.data), SOCKET)
        self.historian = WireClient("historian", socket, store.last, START_S)
        self.supervision = Supervision(Orders(str(socket), settings), store, self.historian)
        self.history = LakeHistory(self.historian, store)
        self.analysis = LakeAnalysis(self.historian)
        copies = Copies(self.history, self._consumption())
        self.snapshots = Snapshots(store, self.operations, self.contexts, clock, self.delivery, copies)
        self.live = LiveStream(store, live_selection(self.contexts, store, self._district_terms), store.oldest)
        self.observation = Observation(settings, __version__, store, store, lambda: store.waiting, [self._flows], self._troubles)
        intake = StoreIntake(store)
        sta = MqttDoor(store, self.analysis, intake, clock, settings.public_url or url)
        topics = GatewayAnswers(sta, intake, store)
        simulation = self._simulation = secrets.token_urlsafe(32)
        known = {SIMULATION_SECRET: simulation}
        self.gateway = GatewayLink(settings, intake, store, self._feed_terms, self._device_of, known, topics.handlers())
        self.registers = registers.Registers(
            registers.Around(
                store, store, self.gateway, clock, settings.dead_letters_keep, settings.dead_letters_days,
                district if settings.feeds else None,
            )
        )
        self._backfills = BackfillApi(store, Path(settings.data))
        self.imports = imports.Imports(
            imports.Around(
                store, intake, self._backfills, clock, Path(settings.data), self._terms_of, settings.import_max_bytes,
                settings.import_keep_days, settings.max_body_bytes,
            )
        )  # fmt: skip
        self.registers.watch(self.observation.metrics)
        watch_gateway(self.observation.metrics, self.gateway)
        self.people = People(store, store)
        self._access = self.registers.access(LoopbackAccess(self.people.person))
        self.response = self._respond()
        self.catalogue = Catalogue(self._around())
        watch_history(self.observation.metrics, self.supervision)
        self._rate = ChangeRate(store.last, time.monotonic)
        self._feeds: Feeds | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.application = Application(
            self._routes(), self._access, settings.max_body_bytes, self.observation.observers,
            answer_timeout_s=settings.request_timeout_s,
        )  # fmt: skip

    def _routes(self) -> list[Route]:
        store: Store = self.store
        temporal = TemporalQueryApi(self._consumption(), self.contexts, store, self.maps)
        routes = [
            *EntityApi(self.operations, self.contexts, store, self.maps, Past(self.history, self.clock)).routes(),
            *BatchApi(self.operations, self.contexts, store).routes(),
            *QueryApi(self.operations, self.contexts, store, self.maps).routes(),
            *PurgeApi(self.operations, self.contexts, store, self.maps).routes(),
            *IdentityApi(self.alias, self.clock).routes(),
            *DiscoveryApi(self.operations, self.contexts, store).routes(),
            *self._registration_api.routes(),
            *SubscriptionApi(
                store, self.contexts, self.clock, self.tallies, alias=self.alias, failing=self.forwarder.failing
            ).routes(),
            *SourceNotificationApi(self.forwarder.copies, self.operations, store, self.contexts, self.clock).routes(),
            *SubscriptionApi(store, self.contexts, self.clock, self.tallies, registrations=True).routes(),
            *self._distributed_temporal().around(
                [*TemporalApi(self.history, self.contexts, store, self.clock).routes(), *temporal.routes()]
            ),
            *self._backfills.routes(),
            *SqlApi(self.analysis, store).routes(),
            *TierApi(self.historian).routes(),
            *ForgetApi(self.historian, store).routes(),
            *EntityMapApi(self.maps, self.operations, self.contexts, store, temporal).routes(),
            *SnapshotApi(self.snapshots, self.contexts, store).routes(),
            *SensorThingsApi(
                store, self.history, self.analysis, StoreIntake(store), self.clock, self.settings.public_url or self.url,
                lambda: self.registers.feeds.listening("sensorthings"),
            ).routes(),
            *context_routes(self.contexts),
            *stream_routes(self.live),
            *status_routes(self._status_sources()),
            *self.observation.routes(),
            *page_routes(read_assets()),
            *centre_routes(read_centre()),
            *self.catalogue.routes(),
            *self.registers.routes(),
            *self.imports.routes(),
            *PeopleApi(self.people).routes(),
            *self.response.routes(),
            Route("GET", "/health", self._health, "public", "Health", tag="hub"),
        ]
        routes.append(openapi_route(lambda: routes, "CityHub", __version__))
        return snapshot_scope(routes, self.snapshots, store)

    def _around(self) -> Around:
        base = self.settings.public_url or self.url
        if self.district is None:
            return Around(self.store, self.analysis, self._access, self.clock, base)
        about = self.district.about
        place = Place(about.code, about.short_names, about.bounding_box)
        return Around(self.store, self.analysis, self._access, self.clock, base, self.district.folder, place)

    def _respond(self) -> response.Parts:
        served = self.district if self.settings.feeds else None
        parts = response.Parts(
            response.Around(
                self.settings, self.store, self.store, self.clock, self.analysis, self.outbound, self.people, self._terms_of,
                self.settings.public_url or self.url, served.about.time_zone if served else "Asia/Shanghai",
                *((served.folder, served.about.code, served.about.bounding_box) if served else ()),
            )
        )  # fmt: skip
        parts.watch(self.observation.metrics)
        return parts

    def _consumption(self) -> Consumption:
        return Consumption(self.history, self._temporal_page())

    def _temporal_page(self) -> int:
        return DEV_TEMPORAL_PAGE if self.settings.dev else self.settings.temporal_page

    def _distributed_temporal(self) -> DistributedTemporal:
        return DistributedTemporal(
            self.store, self.registrations, self.requests, self.contexts, self.clock, TemporalShaping(), self._temporal_page()
        )

    def _status_sources(self) -> StatusSources:
        about = self.district.about if self.district else None
        store_name = "SQLite" if isinstance(self.store, SqliteStore) else "PostgreSQL"
        described = About(__version__, store_name) if about is None else About(
            __version__, store_name, about.code, about.names, about.short_names, about.time_zone, about.bounding_box,
            about.boundary_note, about.context_url,
        )  # fmt: skip
        return StatusSources(
            described, self.store, self.journal, self._count, self.store.readers, self._rate, lambda: self.live.clients,
            self.clock, self._started,
        )  # fmt: skip

    async def _flows(self) -> list[Flow]:
        feeds = self.district.feeds if self.district else []
        lines = [Flow(f"feed '{feed.id}'", f"{feed.kind} data", "context", "playing" if self._feeds else "") for feed in feeds]
        lines += [Flow(f"feed '{id}'", protocol, "context", state) for id, protocol, state in self.registers.overview()[:MAX_FLOWS]]
        lines += [Flow("journal", f"rule '{id}'", "alerts", state) for id, state in self.response.flows()[:MAX_FLOWS]]
        lines += [Flow("journal", what, receiver, state) for what, receiver, state in self.notifier.overview()[:MAX_FLOWS]]
        lines += [Flow(f"subscription {id}", "its copy", source, state) for id, source, state in self.forwarder.overview()[:MAX_FLOWS]]
        status = self.supervision.status
        rows = f"{sum(status.rows.values()) + status.tail_rows} rows" if status else "rows"
        lines.append(Flow("lake", rows, "temporal interface, SQL", self.supervision.trouble or "answers"))
        return [*lines, Flow("journal", "changes by query", "live stream", f"{self.live.clients} open")]

    def _troubles(self) -> list[str]:
        status, trouble = self.supervision.status, self.supervision.trouble
        aside = [f"The history's file {path} cannot be read: {fault}" for path, fault in (status.set_aside if status else {}).items()]
        return [text for text in (trouble, self.gateway.trouble, *self.response.troubles(), *aside) if text]

    async def _compact(self) -> int:
        return await self.store.compact(self.settings.journal_keep)

    async def _count(self) -> int:
        return await self.store.entity_count()

    async def _district_terms(self) -> TermMap:
        if self.district is None:
            return CORE
        url = self.district.about.context_url
        return self.contexts.known(url) or await self.contexts.resolve(url, "")

    def _device_of(self, name: str, token: str) -> str:
        key = self.registers.devices.authenticate(name, token) if name else None
        return key[1] if key is not None else ""

    async def _feed_terms(self, feed: Feed) -> TermMap:
        return await self._terms_of(feed.context, feed.tenant)

    async def _terms_of(self, context: str, tenant: str) -> TermMap:
        return await self.contexts.resolve(context, tenant) if context else await self._district_terms()

    async def _health(self, request: Request) -> Response:
        uptime_s = int(time.monotonic() - self._began)
        return json_response({"status": "up", "version": __version__, "journal": self.journal.last(), "uptime_s": uptime_s})

    async def start(self) -> None:
        """Starts the background work."""
        jobs: Sequence[tuple[float, Callable[[], Awaitable[Any]]]] = (
            (SWEEP_S, self.store.expire), (COMPACT_S, self._compact), (1.0, self._rate.sample),
            (SWEEP_S, self._registration_api.expire), (USAGE_S, self.contexts.save_usage),
            (SWEEP_S, self.maps.expire), (SWEEP_S, self.snapshots.sweep), (SWEEP_S, self.application.end_overdue),
            (PROFILE_S, self.catalogue.quality.renew), (registers.SWEEP_S, self.registers.sweep),
            (imports.SWEEP_S, self.imports.sweep), *self.response.jobs(),
        )  # fmt: skip
        await self.registrations.load()
        await self.maps.load()
        await self.supervision.start()
        self._tasks = [asyncio.create_task(_every(seconds, work)) for seconds, work in jobs]
        await self.snapshots.start()
        if not isinstance(self.store, SqliteStore):  # other hubs may work on the same database
            self._tasks.append(asyncio.create_task(self.registrations.follow(self.journal)))
        await self.notifier.start()
        await self.people.start(self.district.folder if self.district is not None else None)
        await self.registers.start()
        await self.imports.start()
        await self.response.start()
        if self.district is not None and self.settings.feeds:
            self._feeds = await start_feeds(
                self.url, self.district.folder, log_format=self.settings.log_format, log_level=self.settings.log_level,
                secret=self._simulation,
            )

    async def stop(self) -> None:
        """Stops the background work and closes the store."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        feeds = (self._feeds.stop,) if self._feeds is not None else ()
        for end in (
            *feeds, *self.response.ends(), self.imports.stop, self.registers.stop, self.people.stop,
            self.gateway.stop, self.snapshots.stop, self.live.close,
            self.notifier.stop, self.delivery.close, self.outbound.close, self.contexts.save_usage,
            self.supervision.stop, self.store.close, self.observation.close,
        ):  # fmt: skip
            try:
                await end()
            except Exception:  # what follows, above all the store, must be closed all the same
                log.exception("a part of the hub did not stop in order")


async def _every(seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except StoreUnavailable as error:
            log.warning("background work waits for the store: %s", error.detail)
        except Exception:
            log.exception("background work failed; it will be tried again")


def find_district(name: str) -> District:
    """The district of a folder, or of a name under `districts/` of the working folder or of the installation.

    Raises:
        RuntimeError: There is none; says where it was looked for.
    """
    places = [Path(name), Path("districts") / name, Path(cityhub.__file__).resolve().parents[2] / "districts" / name]
    for place in places:
        if (place / "district.toml").is_file():
            return read_district(place)
    looked = ", ".join(str(place) for place in places)
    raise RuntimeError(f"'district' is '{name}': right would be a folder with a district.toml; looked in {looked}")


async def build(settings: Settings, url: str = "", clock: Clock | None = None) -> Hub:
    """The hub of these settings, its store opened but its background work not yet started.

    Args:
        settings: How it runs.
        url: Where it will be reached from this machine; feeds and hosted @contexts need it.
        clock: Where the time comes from.

    Raises:
        RuntimeError: The district or the store cannot be opened.
        StoreUnavailable: The database server cannot be reached.
    """
    clock = clock or SystemClock()
    district = find_district(settings.district) if settings.feeds else None
    store: SqliteStore | PostgresStore
    if settings.store.startswith("postgres"):
        # Imported here, as the driver is an extra that the embedded hub does without.
        from cityhub.storage.postgres import open_postgres

        store = await open_postgres(settings.store, clock)
    else:
        store = await open_sqlite(Path(settings.data), clock)
    return Hub(settings, url, store, await read_alias(store), clock, district)
