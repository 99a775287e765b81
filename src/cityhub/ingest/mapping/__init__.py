"""From a record of a source to what it says of entities: a feed's mappings, compiled once, applied to every record.

    record ─▶ expressions (FEEL) ─▶ numbers, units, times, places ─▶ EntityUpdate
"""

from cityhub.ingest.mapping.compiling import Mapping, compile_mapping
from cityhub.ingest.mapping.problems import MappingError

__all__ = ["Mapping", "MappingError", "compile_mapping"]
