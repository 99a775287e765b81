"""Open311 GeoReport v2: residents report, and follow what becomes of it.

Source: wiki.open311.org, GeoReport v2 (frozen) and Service Discovery.
"""
