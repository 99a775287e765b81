"""Atom feeds of CAP messages, and where the messages of other feeds are.

Source: RFC 4287 (Atom 1.0); RSS 2.0; the media type application/cap+xml.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

import msgspec
from lxml import etree

from cityhub.model.errors import BadRequestData
from cityhub.rules.cap.message import NAMESPACE
from cityhub.rules.cap.writing import document_of

ATOM: Final = "http://www.w3.org/2005/Atom"
CAP_TYPE: Final = "application/cap+xml"
MOST_LINKS: Final = 500
"""So many messages of a feed are read."""


class Entry(msgspec.Struct, frozen=True):
    """A message in a feed.

    Attributes:
        id: URI that never changes.
        title: Its headline.
        href: Where the message is.
        updated: When it was sent, RFC 3339.
        author: Who issues it.
        summary: "" for none.
        terms: Categories.
        language: Of the texts.
    """

    id: str
    title: str
    href: str
    updated: str
    author: str
    summary: str = ""
    terms: list[str] = []
    language: str = "zh-CN"


def write_feed(id: str, title: str, href: str, updated: str, entries: list[Entry], language: str) -> bytes:
    """An Atom feed: `href` is its own address, `updated` when something in it last changed."""
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM})
    root.set("{http://www.w3.org/XML/1998/namespace}lang", language)
    for name, text in (("id", id), ("title", title), ("updated", updated)):
        _text(root, name, text)
    _link(root, "self", href, "application/atom+xml")
    _text(etree.SubElement(root, f"{{{ATOM}}}author"), "name", title)
    for entry in entries:
        _write_entry(etree.SubElement(root, f"{{{ATOM}}}entry"), entry)
    return document_of(root)


def _write_entry(element: etree._Element, entry: Entry) -> None:
    for name, text in (("id", entry.id), ("title", entry.title), ("updated", entry.updated), ("published", entry.updated)):
        _text(element, name, text)
    _text(etree.SubElement(element, f"{{{ATOM}}}author"), "name", entry.author)
    if entry.summary:
        _text(element, "summary", entry.summary)
    for term in entry.terms:
        etree.SubElement(element, f"{{{ATOM}}}category").set("term", term)
    _link(element, "alternate", entry.href, CAP_TYPE)


def _text(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}{name}").text = text


def _link(parent: etree._Element, relation: str, href: str, type: str) -> None:
    link = etree.SubElement(parent, f"{{{ATOM}}}link")
    for name, value in (("rel", relation), ("href", href), ("type", type)):
        link.set(name, value)


class Link(msgspec.Struct, frozen=True):
    """Where a message of a feed is, and when the feed says that it was last changed ("": it does not)."""

    href: str
    updated: str = ""


def links_of(root: etree._Element, base: str) -> list[Link]:
    """The messages of a feed in its order, each address once.

    Args:
        root: The document: an Atom or RSS feed.
        base: Its own address, for addresses that are relative to it.

    Raises:
        BadRequestData: It is neither, or has more messages than are read.
    """
    if root.tag == f"{{{ATOM}}}feed":
        found = [(_entry_link(one), one.findtext(f"{{{ATOM}}}updated") or "") for one in root.findall(f"{{{ATOM}}}entry")]
    elif root.tag == "rss":
        found = [(one.findtext("link") or "", one.findtext("pubDate") or "") for one in root.findall("./channel/item")]
    else:
        raise BadRequestData(f"The document is '{str(root.tag)[:100]}'; right would be a CAP 1.2 message, an Atom feed or an RSS feed")
    links = {urljoin(base, href.strip()): updated.strip() for href, updated in reversed(found) if href.strip()}
    if len(links) > MOST_LINKS:
        raise BadRequestData(f"The feed has {len(links)} messages; at most {MOST_LINKS} are read")
    return [Link(href, updated) for href, updated in reversed(links.items())]


def _entry_link(entry: etree._Element) -> str:
    """The link to the message: one of CAP's type, else the first alternate one."""
    links = entry.findall(f"{{{ATOM}}}link")
    for link in links:
        if link.get("type") == CAP_TYPE:
            return str(link.get("href", ""))
    for link in links:
        if link.get("rel", "alternate") == "alternate":
            return str(link.get("href", ""))
    return ""


def is_message(root: etree._Element) -> bool:
    """Whether the document is a CAP message itself."""
    return bool(root.tag == f"{{{NAMESPACE}}}alert")
