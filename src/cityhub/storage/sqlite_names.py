"""What the writer of a SQLite store knows by heart of its file: numbers of names and tenants, indexes that are kept."""

from __future__ import annotations

import apsw
import orjson

Paths = dict[str, list[tuple[int, tuple[str, ...]]]]
"""By attribute IRI, the (number, path) of each value index of a tenant."""


class Names:
    """Numbers for IRIs and other long names, so that index rows stay small. Used by the writer alone."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._numbers = self._read()

    def number(self, text: str) -> int:
        """The number of a name, given out at its first use."""
        number = self._numbers.get(text)
        if number is None:
            self._connection.execute("INSERT INTO name (text) VALUES (?) ON CONFLICT DO NOTHING", (text,))
            number = int(self._connection.execute("SELECT number FROM name WHERE text = ?", (text,)).get)
            self._numbers[text] = number
        return number

    def find(self, text: str) -> int:
        """The number of a name, or -1 when no entity has ever used it."""
        return self._numbers.get(text, -1)

    def forget(self) -> None:
        """Reads the numbers anew after a transaction was rolled back."""
        self._numbers = self._read()

    def _read(self) -> dict[str, int]:
        return {str(text): int(number) for text, number in self._connection.execute("SELECT text, number FROM name")}


class Catalogue:
    """The small tables of the file, in memory.

    Attributes:
        names: Numbers of names.
        tenants: Numbers of tenants.
        paths: The value indexes that are kept, by tenant's number.
        places: The numbers of the tenants whose entities' bounding boxes are kept.
        next: The next free row number of "entity" and "record".
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.names = Names(connection)
        self.read_anew()

    def read_anew(self) -> None:
        """Reads all of it anew, within the transaction if there is one."""
        self.names.forget()
        read = self._connection.execute
        self.tenants = {str(name): int(number) for name, number in read("SELECT name, number FROM tenant")}
        self.paths: dict[int, Paths] = {}
        for number, tenant, attribute, path in read("SELECT number, tenant, attribute, path FROM value_path"):
            self.paths.setdefault(tenant, {}).setdefault(attribute, []).append((number, tuple(orjson.loads(path))))
        self.places = {int(tenant) for (tenant,) in read("SELECT tenant FROM place_index")}
        self.next: dict[str, int] = {
            table: (read(f"SELECT max(number) FROM {table}").get or 0) + 1 for table in ("entity", "record")
        }

    def indexed(self, tenant: str) -> Paths:
        """The attributes of a tenant whose values are indexed, by IRI."""
        number = self.tenants.get(tenant)
        return self.paths.get(number, {}) if number is not None else {}

    def tenant(self, name: str) -> int:
        """The number of a tenant, given out at its first use."""
        number = self.tenants.get(name)
        if number is None:
            self._connection.execute("INSERT INTO tenant (name) VALUES (?)", (name,))
            number = self.tenants[name] = self._connection.last_insert_rowid()
        return number
