"""What is not normal is flagged, and kept: checks of every value against its range, its own past and the clock.

    EntityUpdates ─▶ checks ─▶ EntityUpdates, flagged where a value is not normal ─▶ score of each thing and of the feed
"""

from cityhub.ingest.quality.checking import Quality, checks_of
from cityhub.ingest.quality.flags import FLAGS

__all__ = ["FLAGS", "Quality", "checks_of"]
