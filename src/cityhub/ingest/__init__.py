"""How data arrive: the district's entities and its feeds, recorded and simulated.

A feed is a process of its own that speaks plain NGSI-LD over HTTP (`cityhub.ingest.player`); the hub only starts and
stops it (`cityhub.ingest.feeds`). So a feed has no door that an outside system would not have.
"""
