"""What was true: the NGSI-LD temporal interface and the store behind it."""
