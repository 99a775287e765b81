"""How data arrive: the district's entities and its feeds, recorded and simulated.

The district's own feeds play in a process of their own (`cityhub.ingest.player`) that speaks NGSI-LD, MQTT and HTTP as outside
systems and devices do; the hub only starts and stops it (`cityhub.ingest.feeds`). All other feeds run in the gateway
(`cityhub.ingest.gateway`), where their messages are decoded, mapped and checked before the hub takes them.
"""
