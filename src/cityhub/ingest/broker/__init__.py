"""An MQTT broker inside the gateway: versions 3.1.1 and 5.0, for a district that runs no broker of its own.

What devices publish reaches the feeds that tap the broker and, as with any broker, other clients that subscribed. A publication with
QoS 1 or 2 is acknowledged when every feed that took it says that it is durable. The packets of version 5 are read and written by the
library `mqtt5`; those of 3.1.1 have the same content but for properties (`codec311`).

Sessions, retained messages and queues for clients that are away live in memory and end with the process; what feeds took does not.

Source: OASIS MQTT Version 5.0 and MQTT Version 3.1.1.
"""
