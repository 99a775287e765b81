"""A feed's definition becomes the stages that its messages go through."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from cityhub.ingest.decoding import Decoder, decoder
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway.stages import Stages
from cityhub.ingest.mapping import compile_mapping
from cityhub.ingest.quality import checks_of


def compile_feed(feed: Feed, names: Callable[[str], str]) -> Stages:
    """The stages of a feed; `names` turns a short name into its IRI. Raises BadRequestData naming what is wrong."""
    own = decoder(feed.format, feed.decoder)

    @lru_cache(maxsize=16)
    def decoding(form: str) -> Decoder:
        return own if form in ("", feed.format) else decoder(form)

    return Stages(decoding, compile_mapping(feed, names), checks_of(feed, names))
