"""What is true now: the NGSI-LD broker (ETSI GS CIM 009)."""
