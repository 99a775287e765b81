"""Payloads become records. One module per family of formats; their libraries are loaded when a feed needs them.

    bytes ─▶ unpacked, bounded ─▶ format ─▶ records
"""

from cityhub.ingest.decoding.formats import FORMATS, MEDIA_TYPES, Decoder, Format, decoder, format_of

__all__ = ["FORMATS", "MEDIA_TYPES", "Decoder", "Format", "decoder", "format_of"]
