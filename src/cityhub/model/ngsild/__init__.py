"""The NGSI-LD information model: documents in (`parse`), documents out (`render`), and changes (`merge`). Pure."""
